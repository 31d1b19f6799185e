import { expect, test } from 'vitest';
import { canonicalJson, signResponse, verifyResponse } from './response-signature.ts';
import { generateSigningKey } from './signing-key.ts';

const key = generateSigningKey();
const response = {
  data: { company: { uscc: '91350100M000100Y43', tax: { standing: 'GOOD' }, meters: [{ id: 'm1', latest: null }] } },
  errors: [{ message: 'no', path: ['company', 'presence'], extensions: { code: 'SOURCE_TIMEOUT' } }],
  extensions: {
    provenance: [
      { path: ['company', 'tax'], source: 'lakeside-tax', recordedAt: '2026-03-01T00:00:00.000Z', stale: false },
    ],
  },
};
const request = {
  time: '2026-03-02T08:00:00.000Z',
  query: 'query ($uscc: USCC!) { company(uscc: $uscc) { uscc tax { standing } } }',
  operationName: null,
  variables: { uscc: '91350100M000100Y43' },
};
const signed = async () => ({
  ...response,
  extensions: { ...response.extensions, signature: await signResponse(key, request, response) },
});
type Signed = Awaited<ReturnType<typeof signed>>;

test('response signature: verifies a signed response, also reformatted and with members in another order', async () => {
  const signedResponse = await signed();
  expect(await verifyResponse(signedResponse, [key.id])).toEqual({ error: null, key: key.id, time: request.time });
  const { data, errors, extensions } = signedResponse;
  const other = JSON.parse(JSON.stringify({ extensions, errors, data: { ...data } }, null, 4));
  expect((await verifyResponse(other)).error).toBeNull();
  expect(signedResponse.extensions.signature.jws).toMatch(/^[\w-]+\.\.[\w-]+$/);
});

test('response signature: fails after any change of query, variables, data, errors or provenance', async () => {
  const changes: ((one: Signed) => unknown)[] = [
    (response) => Object.assign(response.extensions.signature, { query: `${request.query} ` }),
    (response) => Object.assign(response.extensions.signature, { operationName: 'X' }),
    (response) => Object.assign(response.extensions.signature, { time: '2026-03-02T08:00:00.001Z' }),
    (response) => Object.assign(response.extensions.signature, { note: 'more' }),
    (response) => Object.assign(response.extensions.signature.variables, { uscc: '91350100M000100Y44' }),
    (response) => Object.assign(response.extensions.signature.variables, { more: null }),
    (response) => Object.assign(response.data.company.tax, { standing: 'ARREARS' }),
    (response) => Object.assign(response.data.company, { tax: null }),
    (response) => response.data.company.meters.push({ id: 'm2', latest: null }),
    (response) => Object.assign(response.extensions.provenance[0] as object, { stale: true }),
    (response) => Object.assign(response.extensions.provenance[0] as object, { source: 'another' }),
    (response) => response.extensions.provenance.pop(),
    (response) => Object.assign(response.extensions, { sources: [] }),
    (response) => response.errors.pop(),
    (response) => Object.assign(response.errors[0]?.extensions as object, { code: 'FORBIDDEN' }),
  ];
  for (const change of changes) {
    const response = JSON.parse(JSON.stringify(await signed())) as Signed;
    change(response);
    expect((await verifyResponse(response)).error, String(change)).not.toBeNull();
  }
});

test('response signature: fails after a change of any character of the signature, and for an untrusted key', async () => {
  const signedResponse = await signed();
  const { jws } = signedResponse.extensions.signature;
  for (let i = 0; i < jws.length; i++) {
    const other = jws[i] === 'A' ? 'B' : 'A';
    const changed = { ...signedResponse.extensions.signature, jws: jws.slice(0, i) + other + jws.slice(i + 1) };
    const { error } = await verifyResponse(
      { ...signedResponse, extensions: { ...signedResponse.extensions, signature: changed } },
      [key.id],
    );
    expect(error, `character ${i}`).not.toBeNull();
  }
  expect((await verifyResponse(signedResponse, [generateSigningKey().id])).error).toContain('not trusted');
  expect((await verifyResponse(response)).error).toContain('not signed');
  expect(canonicalJson({ b: [1, { d: 'ü', c: null }], a: 1e21 })).toBe('{"a":1e+21,"b":[1,{"c":null,"d":"ü"}]}');
});
