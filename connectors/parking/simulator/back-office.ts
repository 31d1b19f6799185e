/** What the vendor stores: rights, webhook subscriptions and deletions. Changes return APDS status codes and survive a restart. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../../kit/testing/atomic-file.ts';
import type { World } from '../../kit/testing/park/index.ts';
import type { SimulatorOptions } from '../../kit/testing/simulator.ts';
import * as apds from './apds-records.ts';
import type { Subscription } from './webhook-sender.ts';

interface Deletion {
  readonly id: string;
  readonly className: string;
  readonly deleteTimestamp: string;
}

/** The state file. */
interface StoredState {
  rights: apds.Right[];
  subscriptions: Subscription[];
  deleted: Deletion[];
}

export interface ApiResponse {
  readonly status: number;
  readonly body: unknown;
}

/** Deletions kept for `deletedReferences`. */
const MAX_DELETIONS = 10_000;
const MAX_SUBSCRIPTIONS = 4;

export const OK: ApiResponse = { status: 200, body: { status: 'ok' } };
export const errorResponse = (code: number, message: string): ApiResponse => ({
  status: code,
  body: { status: 'error', code, message },
});
export const toSeconds = (at: Date): number => Math.floor(at.getTime() / 1000);

export class BackOffice {
  readonly #world: World;
  readonly #now: () => Date;
  readonly #file: string;
  readonly #state: StoredState;

  constructor(options: SimulatorOptions) {
    this.#world = options.world;
    this.#now = options.now;
    this.#file = join(options.directory, 'office.json');
    this.#state = existsSync(this.#file)
      ? (JSON.parse(readFileSync(this.#file, 'utf8')) as StoredState)
      : { rights: this.#initialRights(), subscriptions: [], deleted: [] };
  }

  get rights(): readonly apds.Right[] {
    return this.#state.rights;
  }

  get subscriptions(): readonly Subscription[] {
    return this.#state.subscriptions;
  }

  get deletions(): readonly Deletion[] {
    return this.#state.deleted;
  }

  save(): void {
    replaceFile(this.#file, JSON.stringify(this.#state));
  }

  right(id: string): apds.Right | undefined {
    return this.#state.rights.find((right) => right.id === id);
  }

  subscription(id: string): Subscription | undefined {
    return this.#state.subscriptions.find((subscription) => subscription.id === id);
  }

  createRight(body: Record<string, unknown>): ApiResponse {
    const id = body['id'];
    if (typeof id !== 'string' || typeof body['version'] !== 'number')
      return errorResponse(400, 'Missing required attributes');
    if (this.right(id)) return errorResponse(409, 'There is an element of this id');
    const right: apds.Right = {
      id,
      version: 1,
      plate: '',
      colour: '',
      specification: '',
      creditCode: null,
      contractNumber: null,
      issued: this.#now().toISOString(),
      expiry: null,
      uses: [],
      modified: 0,
    };
    const error = this.#assign(right, body);
    if (error !== null) return errorResponse(400, error);
    this.#state.rights.push(right);
    this.save();
    return { ...OK, status: 201 };
  }

  updateRight(right: apds.Right, body: Record<string, unknown>): ApiResponse {
    if (body['version'] !== right.version) return errorResponse(409, 'Outdated version number provided');
    const error = this.#assign(right, body);
    if (error !== null) return errorResponse(400, error);
    right.version++;
    this.save();
    return OK;
  }

  deleteRight(right: apds.Right, query: URLSearchParams): ApiResponse {
    const response = this.recordDeletion(right.id, 'AssignedRight', query, right.version);
    if (response === OK) this.#state.rights = this.#state.rights.filter((other) => other !== right);
    this.save();
    return response;
  }

  /** Records a deletion if the query names the current version of the element. */
  recordDeletion(id: string, className: string, query: URLSearchParams, version: number): ApiResponse {
    if (!query.has('version')) return errorResponse(400, 'Did not provide version number');
    if (Number(query.get('version')) !== version) return errorResponse(409, 'Outdated version number provided');
    this.#state.deleted.push({ id, className, deleteTimestamp: this.#now().toISOString() });
    if (this.#state.deleted.length > MAX_DELETIONS) this.#state.deleted.shift();
    this.save();
    return OK;
  }

  subscribe(body: Record<string, unknown>): ApiResponse {
    const { endpoint, topics } = body;
    if (typeof endpoint !== 'string' || !/^https?:/.test(endpoint) || !Array.isArray(topics))
      return errorResponse(422, 'endpoint or topics');
    const lastModified = this.#now().toISOString();
    // A repeated address keeps its subscription id.
    const existing = this.#state.subscriptions.find((subscription) => subscription.endpoint === endpoint);
    const id = existing?.id ?? `W${Number(this.#state.subscriptions.at(-1)?.id.slice(1) ?? 0) + 1}`;
    this.#state.subscriptions = [
      ...this.#state.subscriptions.filter((subscription) => subscription !== existing),
      { id, endpoint, topics: topics.map(String), lastModified },
    ].slice(-MAX_SUBSCRIPTIONS);
    this.save();
    return { status: 200, body: { status: 'ok', id } };
  }

  unsubscribe(id: string): ApiResponse {
    const before = this.#state.subscriptions.length;
    this.#state.subscriptions = this.#state.subscriptions.filter((subscription) => subscription.id !== id);
    this.save();
    return this.#state.subscriptions.length < before ? OK : errorResponse(404, 'Not found');
  }

  #initialRights(): apds.Right[] {
    const issued = '2025-01-01T00:00:00Z';
    return this.#world.vehicles.map((vehicle) => ({
      id: apds.rightId(vehicle),
      version: 1,
      plate: vehicle.plate,
      colour: vehicle.colour,
      specification: apds.specificationOf(vehicle.lot),
      creditCode: vehicle.company,
      contractNumber: apds.contractOf(this.#world, vehicle.company),
      issued,
      expiry: null,
      uses: [{ startTime: issued }],
      modified: toSeconds(new Date(issued)),
    }));
  }

  /** Copies the body into the right; returns what is wrong with the body, or null. */
  #assign(right: apds.Right, body: Record<string, unknown>): string | null {
    type Credential = { identifier?: { className?: string; id?: string }; plateColour?: string };
    const credentials = (body['rightHolder'] as { credentials?: Credential[] } | undefined)?.credentials ?? [];
    const find = (className: string) => credentials.find(({ identifier }) => identifier?.className === className);
    const plate = find('VehicleCredential')?.identifier?.id;
    const specification = (body['rightSpecification'] as { id?: string } | undefined)?.id;
    if (!plate || !specification) return 'Missing required attributes';
    if (!this.#world.lots.some((lot) => apds.specificationOf(lot.id) === specification))
      return 'There is no such right specification';
    right.plate = plate;
    right.colour = find('VehicleCredential')?.plateColour ?? 'blue';
    right.creditCode = find('CustomerCredential')?.identifier?.id ?? null;
    right.contractNumber = find('OtherCredential')?.identifier?.id ?? null;
    right.specification = specification;
    right.expiry = (body['expiry'] as string | undefined) ?? null;
    right.uses = (body['plannedUses'] as apds.Right['uses'] | undefined) ?? [];
    right.notes = body['notes'];
    right.modified = toSeconds(this.#now());
    return null;
  }
}
