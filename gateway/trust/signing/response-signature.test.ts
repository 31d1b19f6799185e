import { expect, test } from 'vitest';
import { canonical, signAnswer, verifyAnswer } from './response-signature.ts';
import { newSigningKey } from './signing-key.ts';

const key = newSigningKey();
const answer = {
  data: { company: { uscc: '91350100M000100Y43', tax: { standing: 'GOOD' }, meters: [{ id: 'm1', latest: null }] } },
  errors: [{ message: 'no', path: ['company', 'presence'], extensions: { code: 'SOURCE_TIMEOUT' } }],
  extensions: {
    provenance: [
      { path: ['company', 'tax'], source: 'lakeside-tax', recordedAt: '2026-03-01T00:00:00.000Z', stale: false },
    ],
  },
};
const asked = {
  time: '2026-03-02T08:00:00.000Z',
  query: 'query ($uscc: USCC!) { company(uscc: $uscc) { uscc tax { standing } } }',
  operationName: null,
  variables: { uscc: '91350100M000100Y43' },
};
const signed = async () => ({
  ...answer,
  extensions: { ...answer.extensions, signature: await signAnswer(key, asked, answer) },
});
type Signed = Awaited<ReturnType<typeof signed>>;

test('a signed answer verifies, reformatted and with its members in another order too', async () => {
  const whole = await signed();
  expect(await verifyAnswer(whole, [key.id])).toEqual({ fault: null, key: key.id, time: asked.time });
  const { data, errors, extensions } = whole;
  const other = JSON.parse(JSON.stringify({ extensions, errors, data: { ...data } }, null, 4));
  expect((await verifyAnswer(other)).fault).toBeNull();
  expect(whole.extensions.signature.jws).toMatch(/^[\w-]+\.\.[\w-]+$/);
});

test('any change of query, variables, data, errors or provenance fails', async () => {
  const changes: ((one: Signed) => unknown)[] = [
    (one) => Object.assign(one.extensions.signature, { query: `${asked.query} ` }),
    (one) => Object.assign(one.extensions.signature, { operationName: 'X' }),
    (one) => Object.assign(one.extensions.signature, { time: '2026-03-02T08:00:00.001Z' }),
    (one) => Object.assign(one.extensions.signature, { note: 'more' }),
    (one) => Object.assign(one.extensions.signature.variables, { uscc: '91350100M000100Y44' }),
    (one) => Object.assign(one.extensions.signature.variables, { more: null }),
    (one) => Object.assign(one.data.company.tax, { standing: 'ARREARS' }),
    (one) => Object.assign(one.data.company, { tax: null }),
    (one) => one.data.company.meters.push({ id: 'm2', latest: null }),
    (one) => Object.assign(one.extensions.provenance[0] as object, { stale: true }),
    (one) => Object.assign(one.extensions.provenance[0] as object, { source: 'another' }),
    (one) => one.extensions.provenance.pop(),
    (one) => Object.assign(one.extensions, { sources: [] }),
    (one) => one.errors.pop(),
    (one) => Object.assign(one.errors[0]?.extensions as object, { code: 'FORBIDDEN' }),
  ];
  for (const change of changes) {
    const one = JSON.parse(JSON.stringify(await signed())) as Signed;
    change(one);
    expect((await verifyAnswer(one)).fault, String(change)).not.toBeNull();
  }
});

test('every character of the signature counts, and another key is not trusted', async () => {
  const whole = await signed();
  const { jws } = whole.extensions.signature;
  for (let i = 0; i < jws.length; i++) {
    const other = jws[i] === 'A' ? 'B' : 'A';
    const changed = { ...whole.extensions.signature, jws: jws.slice(0, i) + other + jws.slice(i + 1) };
    const { fault } = await verifyAnswer({ ...whole, extensions: { ...whole.extensions, signature: changed } }, [
      key.id,
    ]);
    expect(fault, `character ${i}`).not.toBeNull();
  }
  expect((await verifyAnswer(whole, [newSigningKey().id])).fault).toContain('not trusted');
  expect((await verifyAnswer(answer)).fault).toContain('not signed');
  expect(canonical({ b: [1, { d: 'ü', c: null }], a: 1e21 })).toBe('{"a":1e+21,"b":[1,{"c":null,"d":"ü"}]}');
});
