/** The demo's isthmus.yaml with more installations than the demo has: further ones of the systems that serve many callers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

const ROOT = join(import.meta.dirname, '..', '..');
/** Installations of the demo that may be there many times over: their simulators keep nothing per caller. */
const REPEATED = ['parking', 'register', 'meters', 'environment', 'work-orders'];

interface Installation {
  readonly id: string;
  readonly [setting: string]: unknown;
}

/** `text` with as many installations as asked for, its own first. */
export function withInstallations(text: string, count: number): string {
  const { installations, ...rest } = parse(text) as { installations: Installation[] };
  const templates = REPEATED.flatMap((name) => installations.filter((one) => one.id === `lakeside-${name}`));
  const more = Array.from({ length: Math.max(count - installations.length, 0) }, (_, i) => {
    const template = templates[i % templates.length] as Installation;
    const id = `${template.id}-${Math.floor(i / templates.length) + 2}`;
    return JSON.parse(
      JSON.stringify({ ...template, id }).replace(`/webhooks/${template.id}`, `/webhooks/${id}`),
    ) as Installation;
  });
  return stringify({ ...rest, installations: [...installations.slice(0, count), ...more] });
}

/** The demo's own file; descriptions are named by their whole path, so that a copy elsewhere finds them. */
export const demoYaml = (): string =>
  readFileSync(join(ROOT, 'isthmus.demo.yaml'), 'utf8').replace(/openapi: /g, `openapi: ${ROOT}/`);
