import { expect, test } from 'vitest';
import { SCALARS } from './scalars.ts';

const messageOf = (name: string, value: unknown): string => {
  try {
    return `accepted: ${String(SCALARS.get(name)?.parseValue(value))}`;
  } catch (error) {
    return (error as Error).message;
  }
};

test.each([...SCALARS.keys()])('an invalid %s is rejected in one sentence with a valid example', (name) => {
  const message = messageOf(name, 5);
  expect(messageOf(name, '')).toBe(message);
  const example = new RegExp(`^Expected a ${name} such as (?:"([^"]+)"|the endCursor of a page)\\.$`).exec(message);
  expect(example, message).not.toBeNull();
  expect(messageOf(name, example?.[1] ?? 'any text')).toMatch(/^accepted: /);
});
