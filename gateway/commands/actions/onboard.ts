/** `isthmus onboard`: probes a system, drafts its configuration, prints the resulting graph and its breaking changes, writes; and undoes that. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { buildSchema, findBreakingChanges, type GraphQLSchema, isSpecifiedScalarType } from 'graphql';
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
import type { Config, ParkConfig } from '../../../connectors/kit/config/config.ts';
import { readConfig } from '../../../connectors/kit/config/config-file.ts';
import { readSettings } from '../../../connectors/kit/config/settings.ts';
import type { AnyConnectorFamily } from '../../../connectors/kit/connector.ts';
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

/** Where the command prints. */
interface Output {
  say(text: string): void;
  heading(text: string): void;
  /** With a colour of the terminal. */
  paint(code: number, text: string): string;
}

/** The file to extend, and the installation to add. */
interface Target {
  readonly id: string;
  readonly text: string;
  readonly folder: string;
  readonly park: ParkConfig;
  readonly installations: Config['installations'];
}

/** What the probe found: settings of the connector, the entry of the file, and a file to copy beside it. */
interface Draft {
  readonly family: AnyConnectorFamily;
  readonly settings: unknown;
  readonly entry: Record<string, unknown>;
  readonly copy: Probe['copy'];
}

/** Prints the five steps to `options.say`. Resolves with whether files were written. Throws `OnboardError`. */
export async function onboard(options: OnboardOptions): Promise<boolean> {
  const { say, system } = options;
  const paint = (code: number, text: string): string => (options.isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text);
  const output: Output = { say, heading: (text) => say(`\n${paint(1, text)}`), paint };
  const target = findTarget(options);
  const draft = await draftSystem(options, target, output);
  const sdl = await printGraph(system, draft, target, output);
  await printChanges({ name: system, sdl, url: UNUSED_URL }, target, output);
  return writeFiles(options, draft, target, output);
}

/** Checks the options against the configuration file. */
function findTarget(options: OnboardOptions): Target {
  const { system, source } = options;
  if (!/^[a-z][a-z0-9-]*$/.test(system))
    throw new OnboardError(
      `--system must be lower-case letters, digits and hyphens, found ${JSON.stringify(system)}; example: --system environment`,
    );
  checkAddress('The address of the description', /^https?:/.test(source) ? source : null);
  checkAddress('--url', options.url);
  const text = readYamlFile(options.config);
  const { parks, installations } = readConfig(text, options.config, configurable, options.environment);
  const wanted = options.park ?? parks[0]?.id ?? '';
  const park = parks.find(({ id }) => id === wanted);
  if (!park) {
    throw new OnboardError(
      `There is no park ${JSON.stringify(wanted)} in ${resolve(options.config)}. Its parks are ${parks.map(({ id }) => id).join(', ')}.`,
    );
  }
  const id = `${park.id}-${system}`;
  if (installations.some((existing) => existing.id === id || existing.connector === system)) {
    throw new OnboardError(
      `${basename(options.config)} already contains ${system}. Remove it with: isthmus onboard --undo ${system}${configFlag(options.config)}`,
    );
  }
  return { id, text, folder: dirname(resolve(options.config)), park, installations };
}

/** Steps 1 and 2: probes the system, drafts its entities and queries each once. */
async function draftSystem(options: OnboardOptions, target: Target, output: Output): Promise<Draft> {
  const { say, heading } = output;
  const { id, folder, park } = target;
  const { system } = options;
  heading(`1. Reading ${options.source}`);
  const startedAt = performance.now();
  const buildingCodes = new Set(park.buildings.flatMap((building) => [...building.known, building.id]));
  const probe = await PROBES[options.kind](options, { folder, park, buildingCodes });
  try {
    say(`   ${probe.summary}; ${Math.round(performance.now() - startedAt)} ms`);
    const entities = Object.fromEntries(probe.drafts.map(({ name, declaration }) => [name, declaration]));
    const family = findFamily(probe.family);
    if (probe.drafts.length === 0)
      throw new OnboardError(`${probe.emptyReason}. Declare the entities by hand: docs/connectors.md`);
    const { values, errors } = readSettings<{ entities: readonly Entity[] }>(family.settings, {
      ...probe.settings,
      system,
      entities,
    });
    if (values === null) throw new OnboardError(errors.map(({ name, problem }) => `${name} ${problem}`).join('\n'));
    heading('2. Querying the system');
    await printSamples(probe, values.entities, output);
    const entry = { id, park: park.id, connector: probe.family, system, ...probe.fileSettings, entities };
    return { family, settings: values, entry, copy: probe.copy };
  } finally {
    await probe.close();
  }
}

async function printSamples(probe: Probe, entities: readonly Entity[], { say, paint }: Output): Promise<void> {
  for (const { name, notes } of probe.drafts) {
    const entity = entities.find((declared) => declared.name === name);
    const [result, ...warnings] = entity ? await probe.sample(entity) : [];
    say(`   ${paint(36, name)}  ${result}`);
    for (const warning of warnings) say(`     ${paint(33, warning)}`);
    for (const note of notes) say(`     ${note}`);
  }
}

/** Step 3. Resolves with the subgraph of the system. */
async function printGraph(system: string, draft: Draft, target: Target, { say, heading }: Output): Promise<string> {
  heading('3. The resulting graph');
  const connector = await draft.family.createConnector(system, [draft.settings], target.folder);
  const { sdl } = await buildGraph(system, connector.graph);
  const [types = ''] = sdl
    .slice(sdl.indexOf('\n\n') + 2)
    .split(/\n\n(?="""\n?.*"""\n(?:scalar|type (?:Provenance|PageInfo)))/);
  say(indent(types));
  return sdl;
}

/** Step 4. Throws `OnboardError` if the subgraph cannot be added to the graph. */
async function printChanges(added: SubgraphSdl, target: Target, { say, heading, paint }: Output): Promise<void> {
  heading('4. Changes');
  const base = await readSubgraphs(connectors.map(({ name }) => name));
  const before = [...base, ...(await configuredSubgraphs(target.installations, target.folder))];
  let supergraph: string;
  try {
    supergraph = composeSupergraph(before, [added]);
  } catch (error) {
    if (error instanceof ChangeRejected)
      throw new OnboardError(`Nothing was written: the new subgraph conflicts with the graph.\n${error.message}`);
    throw error;
  }
  const [old, next] = [before, [...before, added]].map((subgraphs) =>
    buildSchema(compose(subgraphs).api, { assumeValidSDL: true }),
  ) as [GraphQLSchema, GraphQLSchema];
  const additions = newTypesAndFields(old, next);
  for (const name of additions) say(`   ${paint(32, `+ ${name}`)}`);
  const breaking = findBreakingChanges(old, next);
  for (const { description } of breaking) say(`   ${paint(31, `- ${description}`)}`);
  say(
    `   ${additions.length} additions, ${breaking.length} breaking changes; the supergraph has ${supergraph.split('\n').length} lines`,
  );
}

/** Types, and fields of types that exist already. */
const newTypesAndFields = (old: GraphQLSchema, next: GraphQLSchema): string[] =>
  Object.values(next.getTypeMap()).flatMap((type) => {
    if (isSpecifiedScalarType(type)) return [];
    const before = old.getType(type.name);
    if (!before) return [`type ${type.name}`];
    const fields = 'getFields' in type ? Object.keys(type.getFields()) : [];
    const oldFields = 'getFields' in before ? Object.keys(before.getFields()) : [];
    return fields.filter((field) => !oldFields.includes(field)).map((field) => `${type.name}.${field}`);
  });

/** Step 5. Resolves with whether files were written. */
async function writeFiles(options: OnboardOptions, draft: Draft, target: Target, output: Output): Promise<boolean> {
  const { say, heading } = output;
  const { copy } = draft;
  heading('5. Files');
  const edited = addEntry(target.text, draft.entry);
  say(`   ${options.config}: installation ${target.id}`);
  if (copy) say(`   ${join(target.folder, copy.to)}: ${copy.description}`);
  if (!options.yes && !(await isConfirmed(options.isTerminal))) {
    say('   Nothing was written. To write, run the command again with --yes.');
    return false;
  }
  if (copy) {
    mkdirSync(dirname(join(target.folder, copy.to)), { recursive: true });
    writeFileSync(join(target.folder, copy.to), readFileSync(copy.from));
  }
  writeFileSync(options.config, edited.text);
  if (!edited.exact) say(`   ${REFORMATTED}`);
  say(
    `   Written. A running hub applies the change by itself. Undo: isthmus onboard --undo ${options.system}${configFlag(options.config)}`,
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

function findFamily(name: string | undefined): AnyConnectorFamily {
  const family = families.find((candidate) => candidate.name === name);
  if (!family) throw new OnboardError(`There is no connector family ${name}.`);
  return family;
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
      const family = findFamily(own[0]?.family);
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
