import { expect, test } from 'vitest';
import { readAudit } from './audit.ts';

test('the section audit is read, and every fault is named', () => {
  const read = (raw: unknown) => {
    const faults: string[] = [];
    return { config: readAudit(raw, (sentence) => faults.push(sentence)), faults };
  };
  expect(read(null)).toEqual({ config: { digest: 'sha256', retention: null }, faults: [] });
  expect(read({ digest: 'sm3', retention: '30d' })).toEqual({
    config: { digest: 'sm3', retention: 30 * 86_400_000 },
    faults: [],
  });
  expect(read({ digest: 'md5', retention: 'long', key: 1 }).faults).toHaveLength(3);
  expect(read('sm3').faults).toHaveLength(1);
});
