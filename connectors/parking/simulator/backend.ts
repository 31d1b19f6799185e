/** The back office: what it keeps, what it lists, and what may be changed; APDS paths and status codes. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWholeFile } from '../../kit/testing/atomic-file.ts';
import { type Drive, parked, type World } from '../../kit/testing/park/index.ts';
import type { Journal, SimulatorOptions } from '../../kit/testing/simulator.ts';
import * as apds from './apds.ts';
import { Hooks, type Subscription } from './hooks.ts';
import { Past } from './past.ts';

interface Deleted {
  readonly id: string;
  readonly className: string;
  readonly deleteTimestamp: string;
}

/** What survives a restart. */
interface Kept {
  rights: apds.Right[];
  subscriptions: Subscription[];
  deleted: Deleted[];
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** A row of a list: what it looks like, and when it was changed (seconds since the epoch). */
interface Row {
  readonly modified: number;
  readonly body: unknown;
}

const OK: Answer = { status: 200, body: { status: 'ok' } };
const no = (code: number, message: string): Answer => ({ status: code, body: { status: 'error', code, message } });
const seconds = (at: Date): number => Math.floor(at.getTime() / 1000);
const listOf = (query: URLSearchParams, name: string): string[] | null =>
  query.has(name) ? (query.get(name) ?? '').split(',').filter(Boolean) : null;
const expansionOf = (query: URLSearchParams): ReadonlySet<string> => new Set(listOf(query, 'expand') ?? []);

export class Backend {
  readonly #world: World;
  readonly #now: () => Date;
  readonly #file: string;
  readonly #kept: Kept;
  readonly #past: Past;
  readonly #hooks: Hooks;

  constructor(options: SimulatorOptions, journal: Journal, secret: string) {
    this.#world = options.world;
    this.#now = options.now;
    this.#file = join(options.directory, 'office.json');
    this.#hooks = new Hooks(secret, options.now, journal);
    this.#past = new Past(options);
    this.#kept = existsSync(this.#file)
      ? (JSON.parse(readFileSync(this.#file, 'utf8')) as Kept)
      : { rights: this.#firstRights(), subscriptions: [], deleted: [] };
  }

  #firstRights(): apds.Right[] {
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
      modified: seconds(new Date(issued)),
    }));
  }

  #save(): void {
    writeWholeFile(this.#file, JSON.stringify(this.#kept));
  }

  close(): void {
    this.#hooks.close();
    this.#save();
  }

  /** A car moves: the session and the count change, and who has asked is called. */
  drive(moment: Drive): void {
    const { stay, reading } = this.#past.drive(moment);
    const everything = new Set(['hierarchyElement', 'segments.financialTransactions']);
    const topic = moment.kind === 'enter' ? 'SessionCreated' : 'SessionUpdated';
    const tell = (what: string, object: unknown) => this.#hooks.tell(this.#kept.subscriptions, what, moment.at, object);
    tell(topic, apds.session(this.#world, stay, everything));
    tell('ObservationCreated', apds.observation(moment.lot, reading, everything));
  }

  /** One request. */
  answer(method: string, path: string, query: URLSearchParams, body: unknown): Answer {
    const [, first = '', second = '', third] = path.split('/').map(decodeURIComponent);
    const which = first === 'rights' ? `${first}/${second}` : first;
    const id = first === 'rights' ? third : second || undefined;
    switch (`${method} ${which}${id === undefined ? '' : '/{id}'}`) {
      case 'GET places':
        return this.#places(query);
      case 'GET sessions':
        return this.#sessions(query);
      case 'GET observations':
        return this.#observations(query);
      case 'DELETE observations/{id}':
        return this.#delete(id ?? '', 'Observation', query, 1);
      case 'GET rights/assigned':
        return this.#rights(query);
      case 'POST rights/assigned':
        return this.#grant(body as Record<string, unknown>);
      case 'GET rights/assigned/{id}':
        return this.#one(id ?? '', (one) => ({ status: 200, body: apds.assignedRight(one, expansionOf(query)) }));
      case 'PUT rights/assigned/{id}':
        return this.#one(id ?? '', (one) => this.#change(one, body as Record<string, unknown>));
      case 'DELETE rights/assigned/{id}':
        return this.#one(id ?? '', (one) => {
          const answer = this.#delete(one.id, 'AssignedRight', query, one.version);
          if (answer === OK) this.#kept.rights = this.#kept.rights.filter((each) => each !== one);
          this.#save();
          return answer;
        });
      case 'POST webhooks':
        return this.#subscribe(body as Record<string, unknown>);
      case 'GET webhooks/{id}': {
        const one = this.#kept.subscriptions.find((each) => each.id === id);
        return one ? { status: 200, body: one } : no(404, 'Not found');
      }
      case 'DELETE webhooks/{id}': {
        const before = this.#kept.subscriptions.length;
        this.#kept.subscriptions = this.#kept.subscriptions.filter((each) => each.id !== id);
        this.#save();
        return this.#kept.subscriptions.length < before ? OK : no(404, 'Not found');
      }
      default:
        return no(404, 'Not found');
    }
  }

  #places(query: URLSearchParams): Answer {
    const expand = expansionOf(query);
    const rows = this.#world.lots.map((lot) => ({
      modified: seconds(this.#now()),
      body: apds.place(lot, { count: this.#past.count(lot.id), at: this.#now() }, expand),
    }));
    return this.#list(rows, query, 'Place');
  }

  #sessions(query: URLSearchParams): Answer {
    const expand = expansionOf(query);
    const instant = (name: string) => (query.has(name) ? Number(query.get(name)) : null);
    const [from, to, reference] = [instant('start_after'), instant('start_before'), instant('reference_instant')];
    const ids = listOf(query, 'credential_id');
    const holders = query.get('credential_class') === 'CustomerCredential' ? ids : null;
    const plates = query.get('credential_class') === 'VehicleCredential' ? ids : null;
    const modified = (stay: apds.Stay) => seconds(stay.end ?? stay.start);
    const all = this.#past
      .sessions(query.get('open') === 'true', instant('modified_since') ?? from)
      .filter(
        (one) =>
          (!plates || plates.includes(one.vehicle.plate)) &&
          (!holders || holders.includes(one.vehicle.company)) &&
          (from === null || seconds(one.start) >= from) &&
          (to === null || one.start.getTime() < to * 1000) &&
          (reference === null || seconds(one.start) <= reference),
      );
    const row = (stay: apds.Stay): Row => ({
      modified: modified(stay),
      body: apds.session(this.#world, stay, expand),
    });
    if (holders === null || query.get('group_by') !== 'credential') return this.#list(all.map(row), query, 'Session');
    const groups = holders.map((holder) => {
      const mine = all.filter((one) => one.vehicle.company === holder).map(row);
      return { credentialId: holder, ...(this.#list(mine, query, 'Session').body as object) };
    });
    return { status: 200, body: { groups } };
  }

  #observations(query: URLSearchParams): Answer {
    const expand = expansionOf(query);
    const after = Number(query.get('modified_since') ?? query.get('start_after') ?? 0);
    const gone = new Set(this.#kept.deleted.map((one) => one.id));
    const rows = this.#past
      .readings(new Date(after * 1000), query.has('reference_instant') ? Number(query.get('reference_instant')) : null)
      .filter((one) => !gone.has(one.id))
      .map((one) => {
        const lot = this.#world.lots.find((each) => each.id === one.lot);
        return { modified: seconds(one.at), body: lot && apds.observation(lot, one, expand) };
      });
    return this.#list(rows, query, 'Observation');
  }

  /** Cars that stood here at the view's instant come first, as the back office's own screen shows them. */
  #rights(query: URLSearchParams): Answer {
    const expand = expansionOf(query);
    const ids = listOf(query, 'credential_id');
    const kind = query.get('credential_class');
    const at = query.has('reference_instant') ? new Date(Number(query.get('reference_instant')) * 1000) : this.#now();
    const here = new Set([...parked(this.#world, at).values()].flat().map((one) => one.vehicle.plate));
    const rows = this.#kept.rights
      .filter(
        (one) =>
          !ids ||
          (kind === 'CustomerCredential' && one.creditCode !== null && ids.includes(one.creditCode)) ||
          (kind === 'VehicleCredential' && ids.includes(one.plate)),
      )
      .sort((a, b) => Number(here.has(b.plate)) - Number(here.has(a.plate)) || (a.id < b.id ? -1 : 1))
      .map((one) => ({ modified: one.modified, body: apds.assignedRight(one, expand) }));
    return this.#list(rows, query, 'AssignedRight');
  }

  /** A list answer; the deleted are named only when changes are asked for. */
  #list(rows: readonly Row[], query: URLSearchParams, className: string): Answer {
    const since = query.has('modified_since') ? Number(query.get('modified_since')) : null;
    const all = since === null ? rows : rows.filter((one) => one.modified >= since);
    const offset = Number(query.get('offset') ?? 0);
    const pageSize = Math.min(Number(query.get('page_size') ?? 100), 1_000);
    const referenceInstant = Number(query.get('reference_instant') ?? seconds(this.#now()));
    return {
      status: 200,
      body: {
        meta: { referenceInstant, offset, pageSize, total: all.length },
        data: all.slice(offset, offset + pageSize).map((one) => one.body),
        ...(since === null
          ? {}
          : {
              deletedReferences: this.#kept.deleted.filter(
                (one) => one.className === className && seconds(new Date(one.deleteTimestamp)) >= since,
              ),
            }),
      },
    };
  }

  #one(id: string, then: (one: apds.Right) => Answer): Answer {
    const one = this.#kept.rights.find((each) => each.id === id);
    return one ? then(one) : no(404, 'Not found');
  }

  #grant(body: Record<string, unknown>): Answer {
    const id = body['id'];
    if (typeof id !== 'string' || typeof body['version'] !== 'number') return no(400, 'Missing required attributes');
    if (this.#kept.rights.some((one) => one.id === id)) return no(409, 'There is an element of this id');
    const one: apds.Right = {
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
    const fault = this.#fill(one, body);
    if (fault !== null) return no(400, fault);
    this.#kept.rights.push(one);
    this.#save();
    return { ...OK, status: 201 };
  }

  #change(one: apds.Right, body: Record<string, unknown>): Answer {
    if (body['version'] !== one.version) return no(409, 'Outdated version number provided');
    const fault = this.#fill(one, body);
    if (fault !== null) return no(400, fault);
    one.version++;
    this.#save();
    return OK;
  }

  /** Takes over what was sent; answers what is wrong with it, or null. */
  #fill(one: apds.Right, body: Record<string, unknown>): string | null {
    type Credential = { identifier?: { className?: string; id?: string }; plateColour?: string };
    const all = (body['rightHolder'] as { credentials?: Credential[] } | undefined)?.credentials ?? [];
    const idOf = (className: string) => all.find((each) => each.identifier?.className === className)?.identifier?.id;
    const plate = idOf('VehicleCredential');
    const specification = (body['rightSpecification'] as { id?: string } | undefined)?.id;
    if (!plate || !specification) return 'Missing required attributes';
    if (!this.#world.lots.some((lot) => apds.specificationOf(lot.id) === specification))
      return 'There is no such right specification';
    one.plate = plate;
    one.colour = all.find((each) => each.identifier?.className === 'VehicleCredential')?.plateColour ?? 'blue';
    one.creditCode = idOf('CustomerCredential') ?? null;
    one.contractNumber = idOf('OtherCredential') ?? null;
    one.specification = specification;
    one.expiry = (body['expiry'] as string | undefined) ?? null;
    one.uses = (body['plannedUses'] as apds.Right['uses'] | undefined) ?? [];
    one.notes = body['notes'];
    one.modified = seconds(this.#now());
    return null;
  }

  #delete(id: string, className: string, query: URLSearchParams, version: number): Answer {
    if (!query.has('version')) return no(400, 'Did not provide version number');
    if (Number(query.get('version')) !== version) return no(409, 'Outdated version number provided');
    this.#kept.deleted.push({ id, className, deleteTimestamp: this.#now().toISOString() });
    if (this.#kept.deleted.length > 10_000) this.#kept.deleted.shift();
    this.#save();
    return OK;
  }

  #subscribe(body: Record<string, unknown>): Answer {
    const { endpoint, topics } = body;
    if (typeof endpoint !== 'string' || !/^https?:/.test(endpoint) || !Array.isArray(topics))
      return no(422, 'endpoint or topics');
    const lastModified = this.#now().toISOString();
    // The same address again is the same subscription.
    const known = this.#kept.subscriptions.find((one) => one.endpoint === endpoint);
    const id = known?.id ?? `W${Number(this.#kept.subscriptions.at(-1)?.id.slice(1) ?? 0) + 1}`;
    this.#kept.subscriptions = [
      ...this.#kept.subscriptions.filter((one) => one !== known),
      { id, endpoint, topics: topics.map(String), lastModified },
    ].slice(-4);
    this.#save();
    return { status: 200, body: { status: 'ok', id } };
  }
}
