/** `isthmus onboard`: probes a system, drafts its configuration, prints the resulting graph and its breaking changes, writes; and undoes that. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { buildSchema, findBreakingChanges, isSpecifiedScalarType } from 'graphql';
import type { Entity } from '../../../connectors/configured/core/declaration.ts';
import {
  type DescriptionKind,
  OnboardError,
  type OnboardOptions,
  type OnboardTarget,
  type Probe,
} from '../../../connectors/configured/onboard/probe.ts';
import { probeFiles } from '../../../connectors/configured/onboard/probe-files.ts';
import { probeOpenApi } from '../../../connectors/configured/onboard/probe-openapi.ts';
import { probeSql } from '../../../connectors/configured/onboard/probe-sql.ts';
import { probeWsdl } from '../../../connectors/configured/onboard/probe-wsdl.ts';
import { addEntry, readYamlFile, removeEntries } from '../../../connectors/configured/onboard/yaml-entry.ts';
import { configurable, connectors, families } from '../../../connectors/index.ts';
import { readConfig } from '../../../connectors/kit/config/config-file.ts';
import { readSettings } from '../../../connectors/kit/config/settings.ts';
import { buildGraph } from '../../../connectors/kit/subgraph/subgraph-schema.ts';
import { compose, type SubgraphSdl } from '../../../schema/compose.ts';
import { ChangeRejected, composeSupergraph } from '../../sources/composition-plan.ts';
import { readSubgraphs } from '../../sources/schema-snapshots.ts';

export {
  type DescriptionKind,
  KINDS,
  OnboardError,
  type OnboardOptions,
} from '../../../connectors/configured/onboard/probe.ts';

const PROBES: Readonly<Record<DescriptionKind, (options: OnboardOptions, place: OnboardTarget) => Promise<Probe>>> = {
  openapi: probeOpenApi,
  wsdl: probeWsdl,
  csv: probeFiles,
  sql: probeSql,
};
/** Composition requires an address; it is never called. */
const UNUSED_URL = 'http://isthmus.invalid';

/** Prints the five steps to `options.say`. Resolves with whether files were written. Throws `OnboardError`. */
export async function onboard(options: OnboardOptions): Promise<boolean> {
  const { say, system, source } = options;
  const paint = (code: number, text: string): string => (options.isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text);
  const heading = (text: string): void => say(`\n${paint(1, text)}`);
  if (!/^[a-z][a-z0-9-]*$/.test(system))
    throw new OnboardError(
      `--system must be lower-case letters, digits and hyphens, found ${JSON.stringify(system)}; example: --system environment`,
    );
  checkAddress('The address of the description', /^https?:/.test(source) ? source : null);
  checkAddress('--url', options.url);
  const before = readYamlFile(options.config);
  const folder = dirname(resolve(options.config));
  const config = readConfig(before, options.config, configurable, options.environment);
  const park = options.park ?? config.parks[0]?.id ?? '';
  if (!config.parks.some(({ id }) => id === park)) {
    throw new OnboardError(
      `There is no park ${JSON.stringify(park)} in ${resolve(options.config)}. Its parks are ${config.parks.map(({ id }) => id).join(', ')}.`,
    );
  }
  const id = `${park}-${system}`;
  if (config.installations.some((existing) => existing.id === id || existing.connector === system)) {
    throw new OnboardError(
      `${basename(options.config)} already contains ${system}. Remove it with: isthmus onboard --undo ${system}${configFlag(options.config)}`,
    );
  }

  heading(`1. Reading ${source}`);
  const startedAt = performance.now();
  const home = config.parks.find(({ id }) => id === park);
  const codes = new Set(home?.buildings.flatMap((building) => [...building.known, building.id]) ?? []);
  const probe = await PROBES[options.kind](options, { folder, park: home, buildingCodes: codes });
  const { drafts: drafted, copy } = probe;
  say(`   ${probe.summary}; ${Math.round(performance.now() - startedAt)} ms`);
  const entities = Object.fromEntries(drafted.map(({ name, declaration }) => [name, declaration]));
  const installation = { id, park, connector: probe.family, system, ...probe.fileSettings, entities };
  const family = families.find(({ name }) => name === probe.family);
  if (!family) throw new OnboardError(`There is no connector family ${probe.family}.`);
  let settings: unknown;
  try {
    if (drafted.length === 0)
      throw new OnboardError(`${probe.emptyReason}. Declare the entities by hand: docs/connectors.md`);
    const read = readSettings<{ entities: readonly Entity[] }>(family.settings, {
      ...probe.settings,
      system,
      entities,
    });
    if (read.values === null)
      throw new OnboardError(read.errors.map(({ name, problem }) => `${name} ${problem}`).join('\n'));
    settings = read.values;

    heading('2. Querying the system');
    for (const { name, notes } of drafted) {
      const entity = read.values.entities.find((declared) => declared.name === name);
      const [result, ...warnings] = entity ? await probe.sample(entity) : [];
      say(`   ${paint(36, name)}  ${result}`);
      for (const warning of warnings) say(`     ${paint(33, warning)}`);
      for (const note of notes) say(`     ${note}`);
    }
  } finally {
    await probe.close();
  }

  heading('3. The resulting graph');
  const connector = await family.createConnector(system, [settings], folder);
  const built = await buildGraph(system, connector.graph);
  say(
    indent(
      built.sdl
        .slice(built.sdl.indexOf('\n\n') + 2)
        .split(/\n\n(?="""\n?.*"""\n(?:scalar|type (?:Provenance|PageInfo)))/)[0] ?? '',
    ),
  );

  heading('4. Changes');
  const base = await readSubgraphs(connectors.map(({ name }) => name));
  const others = await configuredSubgraphs(config.installations, folder);
  let supergraph: string;
  try {
    supergraph = composeSupergraph([...base, ...others], [{ name: system, sdl: built.sdl, url: UNUSED_URL }]);
  } catch (error) {
    if (error instanceof ChangeRejected)
      throw new OnboardError(`Nothing was written: the new subgraph conflicts with the graph.\n${error.message}`);
    throw error;
  }
  const old = buildSchema(compose([...base, ...others]).api, { assumeValidSDL: true });
  const next = buildSchema(compose([...base, ...others, { name: system, sdl: built.sdl, url: UNUSED_URL }]).api, {
    assumeValidSDL: true,
  });
  const added = Object.values(next.getTypeMap()).flatMap((type) => {
    if (isSpecifiedScalarType(type)) return [];
    const before = old.getType(type.name);
    if (!before) return [`type ${type.name}`];
    const fields = 'getFields' in type ? Object.keys(type.getFields()) : [];
    const oldFields = 'getFields' in before ? Object.keys(before.getFields()) : [];
    return fields.filter((field) => !oldFields.includes(field)).map((field) => `${type.name}.${field}`);
  });
  for (const name of added) say(`   ${paint(32, `+ ${name}`)}`);
  const breaking = findBreakingChanges(old, next);
  for (const { description } of breaking) say(`   ${paint(31, `- ${description}`)}`);
  say(
    `   ${added.length} additions, ${breaking.length} breaking changes; the supergraph has ${supergraph.split('\n').length} lines`,
  );

  heading('5. Files');
  const edited = addEntry(before, installation);
  say(`   ${options.config}: installation ${id}`);
  if (copy) say(`   ${join(folder, copy.to)}: ${copy.description}`);
  if (!options.yes && !(await isConfirmed(options.isTerminal))) {
    say('   Nothing was written. To write, run the command again with --yes.');
    return false;
  }
  if (copy) {
    mkdirSync(dirname(join(folder, copy.to)), { recursive: true });
    writeFileSync(join(folder, copy.to), readFileSync(copy.from));
  }
  writeFileSync(options.config, edited.text);
  if (!edited.exact) say(`   ${REFORMATTED}`);
  say(
    `   Written. A running hub applies the change by itself. Undo: isthmus onboard --undo ${system}${configFlag(options.config)}`,
  );
  return true;
}

/** The option that names this file, quoted for a shell; empty for the default. */
const configFlag = (config: string): string => {
  if (config === 'isthmus.yaml') return '';
  return ` --config ${/^[\w./-]+$/.test(config) ? config : `'${config.replaceAll("'", "'\\''")}'`}`;
};

/** Removes what `onboard` wrote: the installations of the system and the copy of its description. Throws `OnboardError` if there are none. */
export function undoOnboard(options: { system: string; config: string; say(text: string): void }): void {
  const before = readYamlFile(options.config);
  const isOnboarded = ({ connector, system }: Record<string, unknown>): boolean =>
    system === options.system && families.some(({ name }) => name === connector);
  const edited = removeEntries(before, isOnboarded);
  if (edited === null)
    throw new OnboardError(`${options.config} has no system ${options.system} that was connected by configuration.`);
  writeFileSync(options.config, edited.text);
  for (const ending of ['openapi.json', 'wsdl'])
    rmSync(join(dirname(resolve(options.config)), 'islands', `${options.system}.${ending}`), { force: true });
  if (!edited.exact) options.say(REFORMATTED);
  options.say(`Removed ${options.system} from ${options.config}.`);
}

/** Throws `OnboardError` unless `address` is null or an HTTP URL. */
function checkAddress(name: string, address: string | null): void {
  if (address === null || (/^https?:\/\//.test(address) && URL.canParse(address))) return;
  throw new OnboardError(
    `${name} must begin with http:// or https:// and name a host, found ${JSON.stringify(address)}; example: https://sensors.example/api`,
  );
}

const REFORMATTED = 'The whole file was reformatted: comments are kept, spacing and folded lines may have changed.';

/** Asks on the terminal; false without one. */
async function isConfirmed(terminal: boolean): Promise<boolean> {
  if (!terminal) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await prompt.question('   Write these files? [y/N] ')).trim());
  } finally {
    prompt.close();
  }
}

/** The subgraphs of the systems that the file connects by configuration. */
async function configuredSubgraphs(
  installations: readonly { connector: string; family?: string; settings: unknown }[],
  folder: string,
): Promise<SubgraphSdl[]> {
  const systems = [...new Set(installations.filter(({ family }) => family).map(({ connector }) => connector))];
  return Promise.all(
    systems.map(async (name) => {
      const own = installations.filter(({ connector }) => connector === name);
      const family = families.find((candidate) => candidate.name === own[0]?.family);
      if (!family) throw new OnboardError(`There is no connector family ${own[0]?.family}.`);
      const connector = await family.createConnector(
        name,
        own.map(({ settings }) => settings),
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
