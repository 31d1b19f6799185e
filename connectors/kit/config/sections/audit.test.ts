import { expect, test } from 'vitest';
import { readAudit } from './audit.ts';

test('section audit: reads the section and reports every error', () => {
  const read = (raw: unknown) => {
    const errors: string[] = [];
    return { config: readAudit(raw, (message) => errors.push(message)), errors };
  };
  expect(read(null)).toEqual({ config: { digest: 'sha256', retention: null, heads: null }, errors: [] });
  expect(read({ digest: 'sm3', retention: '30d', heads: '/mnt/heads' })).toEqual({
    config: { digest: 'sm3', retention: 30 * 86_400_000, heads: '/mnt/heads' },
    errors: [],
  });
  expect(read({ digest: 'md5', retention: 'long', heads: 'here', key: 1 }).errors).toHaveLength(4);
  expect(read('sm3').errors).toHaveLength(1);
});
