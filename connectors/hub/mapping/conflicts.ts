/** Finds facts about a company that installations report differently. Pure functions. */
import type { Conflict, ReportedFact } from '../model.ts';

/** Text for comparison: ignores character width, blanks, and the shape of dots and commas. */
const normalize = (text: string): string =>
  text
    .normalize('NFKC')
    .replace(/[\s·•・.,、，。]/g, '')
    .toLowerCase();

/** Whether all values mean the same. An address may omit the province or the city before the street. */
function agree(field: string, values: readonly ReportedFact[]): boolean {
  const texts = values.map(({ value }) => normalize(value));
  const longest = texts.reduce((best, text) => (text.length > best.length ? text : best), '');
  return texts.every((text) => (field === 'address' ? longest.endsWith(text) : text === longest));
}

/** Fields that installations report differently. */
export function conflicts(facts: readonly ReportedFact[]): Conflict[] {
  const fields = new Map<string, ReportedFact[]>();
  for (const fact of facts) fields.set(fact.field, [...(fields.get(fact.field) ?? []), fact]);
  return [...fields].flatMap(([field, values]) => (agree(field, values) ? [] : [{ field, values }]));
}
