import { expect, test } from 'vitest';
import { readAudit } from './audit.ts';

test('the section audit is read, and every fault is named', () => {
  const read = (raw: unknown) => {
    const faults: string[] = [];
    return { config: readAudit(raw, (sentence) => faults.push(sentence)), faults };
  };
  expect(read(null)).toEqual({ config: { digest: 'sha256', retention: null, heads: null }, faults: [] });
  expect(read({ digest: 'sm3', retention: '30d', heads: '/mnt/heads' })).toEqual({
    config: { digest: 'sm3', retention: 30 * 86_400_000, heads: '/mnt/heads' },
    faults: [],
  });
  expect(read({ digest: 'md5', retention: 'long', heads: 'here', key: 1 }).faults).toHaveLength(4);
  expect(read('sm3').faults).toHaveLength(1);
});
