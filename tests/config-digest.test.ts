import { expect, test } from 'vitest';
import { sourceConnectors } from '../connectors/index.ts';
import { configDigest, describeDifferences, hashConfig } from '../connectors/kit/config/config-digest.ts';
import { readConfig } from '../connectors/kit/config/config-file.ts';

const FILE = `
parks:
  - { id: lakeside, name: Lakeside, region: "500112" }
installations:
  - id: lakeside-parking
    park: lakeside
    connector: parking
    url: https://parking.example/api
    token: "\${TOKEN}"
    webhookSecret: "\${HOOK}"
    callback: "http://127.0.0.1:\${PORT}/webhooks/lakeside-parking"
  - { id: lakeside-access, park: lakeside, connector: access-control, url: "\${ACCESS}" }
retention: { events: 90d }
`;
const ENV = {
  ...{ TOKEN: 'one-token', HOOK: 'one-secret', PORT: '4000' },
  ACCESS: 'postgres://reader:password@door.example/zkaccess',
};
const outline = (text: string, env: Record<string, string> = {}) =>
  hashConfig(readConfig(text, 'isthmus.yaml', sourceConnectors, { ...ENV, ...env }), sourceConnectors);

test('config digest: ignores formatting, comments, key order, secrets and the port of a replica', () => {
  const same = FILE.replace('parks:', '# Our parks.\nparks:')
    .replace(
      '{ id: lakeside, name: Lakeside, region: "500112" }',
      '{ region: "500112", name: "Lakeside", id: lakeside }',
    )
    .replace('    park: lakeside\n    connector: parking\n', '    connector: "parking"\n\n    park: lakeside\n')
    .replace('90d', '2160h');
  const env = {
    ...{ TOKEN: 'another', HOOK: 'another-secret', PORT: '4001' },
    ACCESS: 'postgres://other:secret@door.example/zkaccess',
  };
  expect(configDigest(outline(same, env))).toBe(configDigest(outline(FILE)));
  expect(JSON.stringify(outline(FILE))).not.toMatch(/password|one-token|example/);
});

test.each([
  ['the name of a park', 'name: Lakeside', 'name: Hillside', 'different: park lakeside (name)'],
  [
    'another park',
    'installations:',
    '  - { id: hillside, name: H, region: "500112" }\ninstallations:',
    'only here: park hillside',
  ],
  ['the address of a source', 'parking.example', 'elsewhere.example', 'different: installation lakeside-parking (url)'],
  ['a setting', 'token:', 'poll: 10s\n    token:', 'different: installation lakeside-parking (poll)'],
  [
    'the id of an installation',
    'lakeside-access',
    'lakeside-doors',
    'only here: installation lakeside-doors; only there: installation lakeside-access',
  ],
  ['the retention', '90d', '30d', 'different: retention (events, keys)'],
])('config digest: %s changes the digest and is named in the difference', (_, from, to, difference) => {
  const [here, there] = [outline(FILE.replace(from, to)), outline(FILE)];
  expect(configDigest(here)).not.toBe(configDigest(there));
  expect(describeDifferences(here, there)).toBe(difference);
});

test('config digest: includes the host of a secret URL, but not its password', () => {
  const elsewhere = outline(FILE, { ACCESS: 'postgres://reader:password@other.example/zkaccess' });
  expect(describeDifferences(elsewhere, outline(FILE))).toBe('different: installation lakeside-access (url)');
});
