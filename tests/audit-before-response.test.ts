import { expect, test } from 'vitest';
import { HUB_PRINCIPAL } from '../connectors/kit/auth/principal.ts';
import { HubError } from '../connectors/kit/errors.ts';
import type { Federation } from '../gateway/federation/index.ts';
import { Operations } from '../gateway/operation/operations.ts';
import type { OperationResponse } from '../gateway/operation/request.ts';

const secret = { company: { tax: { standing: 'GOOD' } } };
const accessedFields = {
  shown: { fields: new Set(['TaxAccount.standing']), subjects: new Map() },
  masked: null,
  refused: null,
};
const federation = {
  compile: () => ({ kind: 'query' }),
  execute: async () => ({ data: secret, json: () => JSON.stringify(secret), accessedFields }),
} as unknown as Federation;
const policy = { rejection: () => null, rightsKey: () => '' };
const run = (operations: Operations, extensions?: Record<string, unknown>): Promise<OperationResponse> =>
  operations.run({
    query: '{ a }',
    principal: HUB_PRINCIPAL,
    signal: new AbortController().signal,
    ...(extensions ? { extensions } : {}),
  });

test('responds only after the access is recorded', async () => {
  let written: () => void = () => undefined;
  const record = () =>
    new Promise<void>((resolve) => {
      written = resolve;
    });
  let answered = false;
  const answer = run(new Operations({ federation, policy, audit: { record } as never })).then((one) => {
    answered = true;
    return one;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(answered).toBe(false);
  written();
  expect((await answer).data).toEqual(secret);
});

test('returns no data when the access cannot be recorded, signed or not', async () => {
  const record = () =>
    Promise.reject(new HubError('INTERNAL', 'Audit log is unavailable, so no data is returned. Retry later.'));
  const sign = async (_: unknown, answer: OperationResponse) => ({
    ...answer,
    extensions: { signature: 'of this answer' },
  });
  const operations = new Operations({ federation, policy, audit: { record } as never, sign });
  const plain = await run(operations);
  expect([plain.data, plain.errors?.[0]?.extensions?.['code'], plain.json]).toEqual([null, 'INTERNAL', undefined]);
  expect((await run(operations, { sign: true })).data).toBeNull();
});
