/** `isthmus onboard`: probes a system, drafts its configuration, shows the graph that it would make and what that would break, writes, undoes. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { buildSchema, findBreakingChanges, isSpecifiedScalarType } from 'graphql';
import type { Entity } from '../../../connectors/configured/core/declaration.ts';
import {
  type Kind,
  OnboardError,
  type OnboardOptions,
  type Place,
  type Probe,
} from '../../../connectors/configured/onboard/probe.ts';
import { probeFiles } from '../../../connectors/configured/onboard/probe-files.ts';
import { probeOpenApi } from '../../../connectors/configured/onboard/probe-openapi.ts';
import { probeSql } from '../../../connectors/configured/onboard/probe-sql.ts';
import { probeWsdl } from '../../../connectors/configured/onboard/probe-wsdl.ts';
import { readYaml, withEntry, withoutEntries } from '../../../connectors/configured/onboard/yaml-entry.ts';
import { configurable, connectors, families } from '../../../connectors/index.ts';
import { readConfig } from '../../../connectors/kit/config/config-file.ts';
import { readSettings } from '../../../connectors/kit/config/settings.ts';
import { buildGraph } from '../../../connectors/kit/subgraph/subgraph-schema.ts';
import { compose, type SubgraphText } from '../../../schema/compose.ts';
import { ChangeRefused, joined } from '../../sources/composition-plan.ts';
import { readSubgraphs } from '../../sources/schema-snapshots.ts';

export { KINDS, type Kind, OnboardError, type OnboardOptions } from '../../../connectors/configured/onboard/probe.ts';

const PROBES: Readonly<Record<Kind, (options: OnboardOptions, place: Place) => Promise<Probe>>> = {
  openapi: probeOpenApi,
  wsdl: probeWsdl,
  csv: probeFiles,
  sql: probeSql,
};
/** Composition asks for an address; nobody calls it. */
const NOWHERE = 'http://isthmus.invalid';

/** Onboards; answers whether files were written. */
export async function onboard(options: OnboardOptions): Promise<boolean> {
  const { say, system, source } = options;
  const paint = (code: number, text: string): string => (options.terminal ? `\u001b[${code}m${text}\u001b[0m` : text);
  const step = (text: string): void => say(`\n${paint(1, text)}`);
  if (!/^[a-z][a-z0-9-]*$/.test(system))
    throw new OnboardError(
      `The name of the system must be lower-case letters, digits and hyphens; example: --system environment`,
    );
  refuseAddress('The address of the description', /^https?:/.test(source) ? source : null);
  refuseAddress('--url', options.url);
  const before = readYaml(options.config);
  const folder = dirname(resolve(options.config));
  const config = readConfig(before, options.config, configurable, options.environment);
  const park = options.park ?? config.parks[0]?.id ?? '';
  if (!config.parks.some((one) => one.id === park)) {
    throw new OnboardError(
      `There is no park ${JSON.stringify(park)} in ${resolve(options.config)}; known are ${config.parks.map((one) => one.id).join(', ')}.`,
    );
  }
  const id = `${park}-${system}`;
  if (config.installations.some((one) => one.id === id || one.connector === system)) {
    throw new OnboardError(
      `${basename(options.config)} has ${system} already; take it out with: isthmus onboard --undo ${system}${configFlag(options.config)}`,
    );
  }

  step(`1. Reading ${source}`);
  const began = performance.now();
  const home = config.parks.find((one) => one.id === park);
  const codes = new Set(home?.buildings.flatMap((one) => [...one.known, one.id]) ?? []);
  const probe = await PROBES[options.kind](options, { folder, park: home, codes });
  const { drafted, copy } = probe;
  say(`   ${probe.found}; ${Math.round(performance.now() - began)} ms`);
  const entities = Object.fromEntries(drafted.map((one) => [one.name, one.declaration]));
  const installation = { id, park, connector: probe.connector, system, ...probe.written, entities };
  const family = families.find((one) => one.name === probe.connector);
  if (!family) throw new OnboardError(`There is no family ${probe.connector}.`);
  let settings: unknown;
  try {
    if (drafted.length === 0)
      throw new OnboardError(`${probe.nothing}; declare the entities by hand (docs/connectors.md).`);
    const read = readSettings<{ entities: readonly Entity[] }>(family.settings, { ...probe.values, system, entities });
    if (read.values === null) throw new OnboardError(read.faults.map((one) => `${one.name} ${one.problem}`).join('\n'));
    settings = read.values;

    step('2. Asking the system');
    for (const one of drafted) {
      const entity = read.values.entities.find((each) => each.name === one.name);
      const [answer, ...more] = entity ? await probe.sample(entity) : [];
      say(`   ${paint(36, one.name)}  ${answer}`);
      for (const note of more) say(`     ${paint(33, note)}`);
      for (const note of one.notes) say(`     ${note}`);
    }
  } finally {
    await probe.close();
  }

  step('3. The graph that it makes');
  const connector = await family.make(system, [settings], folder);
  const built = await buildGraph(system, connector.graph);
  say(
    indent(
      built.sdl
        .slice(built.sdl.indexOf('\n\n') + 2)
        .split(/\n\n(?="""\n?.*"""\n(?:scalar|type (?:Provenance|PageInfo)))/)[0] ?? '',
    ),
  );

  step('4. What changes');
  const base = await readSubgraphs(connectors.map((one) => one.name));
  const others = await madeTexts(config.installations, folder);
  let supergraph: string;
  try {
    supergraph = joined([...base, ...others], [{ name: system, sdl: built.sdl, url: NOWHERE }]);
  } catch (error) {
    if (error instanceof ChangeRefused)
      throw new OnboardError(`It does not fit into the graph, and nothing was written.\n${error.message}`);
    throw error;
  }
  const old = buildSchema(compose([...base, ...others]).api, { assumeValidSDL: true });
  const next = buildSchema(compose([...base, ...others, { name: system, sdl: built.sdl, url: NOWHERE }]).api, {
    assumeValidSDL: true,
  });
  const added = Object.values(next.getTypeMap()).flatMap((type) => {
    if (isSpecifiedScalarType(type)) return [];
    const known = old.getType(type.name);
    if (!known) return [`type ${type.name}`];
    const fields = 'getFields' in type ? Object.keys(type.getFields()) : [];
    const had = 'getFields' in known ? Object.keys(known.getFields()) : [];
    return fields.filter((field) => !had.includes(field)).map((field) => `${type.name}.${field}`);
  });
  for (const one of added) say(`   ${paint(32, `+ ${one}`)}`);
  const broken = findBreakingChanges(old, next);
  for (const one of broken) say(`   ${paint(31, `- ${one.description}`)}`);
  say(`   ${added.length} added, ${broken.length} broken; the supergraph has ${supergraph.split('\n').length} lines`);

  step('5. Files');
  const edited = withEntry(before, installation);
  say(`   ${options.config}: the installation ${id}`);
  if (copy) say(`   ${join(folder, copy.to)}: ${copy.what}`);
  if (!options.yes && !(await agreed(options.terminal))) {
    say('   Nothing was written. Run it again with --yes to write.');
    return false;
  }
  if (copy) {
    mkdirSync(dirname(join(folder, copy.to)), { recursive: true });
    writeFileSync(join(folder, copy.to), readFileSync(copy.from));
  }
  writeFileSync(options.config, edited.text);
  if (!edited.exact) say(`   ${ANEW}`);
  say(
    `   Written. A hub that runs on this file takes the island in by itself. Undo: isthmus onboard --undo ${system}${configFlag(options.config)}`,
  );
  return true;
}

/** The option that names this file, as a shell takes it; empty for the default. */
const configFlag = (config: string): string => {
  if (config === 'isthmus.yaml') return '';
  return ` --config ${/^[\w./-]+$/.test(config) ? config : `'${config.replaceAll("'", "'\\''")}'`}`;
};

/** Takes out what `onboard` wrote: the installations of the system, and the copy of its description. */
export function undoOnboard(options: { system: string; config: string; say(text: string): void }): void {
  const before = readYaml(options.config);
  const made = ({ connector, system }: Record<string, unknown>): boolean =>
    system === options.system && families.some((one) => one.name === connector);
  const edited = withoutEntries(before, made);
  if (edited === null) throw new OnboardError(`${options.config} has no system ${options.system} by configuration.`);
  writeFileSync(options.config, edited.text);
  for (const ending of ['openapi.json', 'wsdl'])
    rmSync(join(dirname(resolve(options.config)), 'islands', `${options.system}.${ending}`), { force: true });
  if (!edited.exact) options.say(ANEW);
  options.say(`${options.system} is taken out of ${options.config}.`);
}

/** Throws `OnboardError` for what is no address of HTTP. */
function refuseAddress(what: string, given: string | null): void {
  if (given === null || (/^https?:\/\//.test(given) && URL.canParse(given))) return;
  throw new OnboardError(
    `${what} must begin with http:// or https:// and name a host, found ${JSON.stringify(given)}; example: https://sensors.example/api`,
  );
}

const ANEW = 'The whole file was written anew: comments are kept, but spacing and folded lines may have changed.';

async function agreed(terminal: boolean): Promise<boolean> {
  if (!terminal) return false;
  const ask = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await ask.question('   Write them? [y/N] ')).trim());
  } finally {
    ask.close();
  }
}

/** The subgraphs of the systems that the file has by configuration already. */
async function madeTexts(
  installations: readonly { connector: string; family?: string; settings: unknown }[],
  folder: string,
): Promise<SubgraphText[]> {
  const systems = [...new Set(installations.filter((one) => one.family).map((one) => one.connector))];
  return Promise.all(
    systems.map(async (name) => {
      const own = installations.filter((one) => one.connector === name);
      const family = families.find((one) => one.name === own[0]?.family);
      if (!family) throw new OnboardError(`There is no family ${own[0]?.family}.`);
      const connector = await family.make(
        name,
        own.map((one) => one.settings),
        folder,
      );
      return { name, sdl: (await buildGraph(name, connector.graph)).sdl, url: `http://${name}.invalid` };
    }),
  );
}

const indent = (text: string): string =>
  text
    .split('\n')
    .map((line) => `   ${line}`)
    .join('\n');
