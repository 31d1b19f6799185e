/** The demo's isthmus.yaml with additional installations of systems that can serve many callers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

const ROOT = join(import.meta.dirname, '..', '..');
/** Installations of the demo that can be repeated, because their simulators keep no state per caller. */
const REPEATED = ['parking', 'register', 'meters', 'environment', 'work-orders'];

interface Installation {
  readonly id: string;
  readonly [setting: string]: unknown;
}

/** `text` with `count` installations, its own first. */
export function withInstallations(text: string, count: number): string {
  const { installations, ...rest } = parse(text) as { installations: Installation[] };
  const templates = REPEATED.flatMap((name) =>
    installations.filter((installation) => installation.id === `lakeside-${name}`),
  );
  const more = Array.from({ length: Math.max(count - installations.length, 0) }, (_, i) => {
    const template = templates[i % templates.length] as Installation;
    const id = `${template.id}-${Math.floor(i / templates.length) + 2}`;
    return JSON.parse(
      JSON.stringify({ ...template, id }).replace(`/webhooks/${template.id}`, `/webhooks/${id}`),
    ) as Installation;
  });
  return stringify({ ...rest, installations: [...installations.slice(0, count), ...more] });
}

/** isthmus.demo.yaml with absolute paths of descriptions, so that a copy in another folder works. */
export const demoYaml = (): string =>
  readFileSync(join(ROOT, 'isthmus.demo.yaml'), 'utf8').replace(/openapi: /g, `openapi: ${ROOT}/`);
