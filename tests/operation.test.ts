import { expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import { HubError } from '../connectors/kit/errors.ts';
import type { Federation } from '../gateway/federation/index.ts';
import { Operations } from '../gateway/operation/operations.ts';
import type { OperationAnswer } from '../gateway/operation/request.ts';

const secret = { company: { tax: { standing: 'GOOD' } } };
const touched = {
  shown: { fields: new Set(['TaxAccount.standing']), subjects: new Map() },
  masked: null,
  refused: null,
};
const federation = {
  compile: () => ({ kind: 'query' }),
  execute: async () => ({ data: secret, text: () => JSON.stringify(secret), touched }),
} as unknown as Federation;
const policy = { refused: () => null, mark: () => '' };
const ask = (operations: Operations, extensions?: Record<string, unknown>): Promise<OperationAnswer> =>
  operations.run({
    query: '{ a }',
    principal: HUB_PRINCIPAL,
    signal: new AbortController().signal,
    ...(extensions ? { extensions } : {}),
  });

test('the answer waits until the access is written down', async () => {
  let written: () => void = () => undefined;
  const record = () =>
    new Promise<void>((resolve) => {
      written = resolve;
    });
  let answered = false;
  const answer = ask(new Operations({ federation, policy, audit: { record } as never })).then((one) => {
    answered = true;
    return one;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(answered).toBe(false);
  written();
  expect((await answer).data).toEqual(secret);
});

test('an access that cannot be written down shows nothing, signed or not', async () => {
  const record = () =>
    Promise.reject(new HubError('INTERNAL', 'The access could not be written down, so nothing is shown.'));
  const sign = async (_: unknown, answer: OperationAnswer) => ({
    ...answer,
    extensions: { signature: 'of this answer' },
  });
  const operations = new Operations({ federation, policy, audit: { record } as never, sign });
  const plain = await ask(operations);
  expect([plain.data, plain.errors?.[0]?.extensions?.['code'], plain.text]).toEqual([null, 'INTERNAL', undefined]);
  expect((await ask(operations, { sign: true })).data).toBeNull();
});
