/** The vendor's REST API: routes, list queries and paging, with the paths and status codes of APDS. */
import { parkedStays, type VehicleMovement, type World } from '../../kit/testing/park/index.ts';
import type { Journal, SimulatorOptions } from '../../kit/testing/simulator.ts';
import * as apds from './apds-records.ts';
import { type ApiResponse, BackOffice, errorResponse, toSeconds } from './back-office.ts';
import { GateHistory } from './gate-history.ts';
import { WebhookSender } from './webhook-sender.ts';

/** A row of a list. */
interface Row {
  /** Time of the last change, in seconds since the epoch. */
  readonly modified: number;
  readonly body: unknown;
}

const NOT_FOUND = errorResponse(404, 'Not found');
const listOf = (query: URLSearchParams, name: string): string[] | null =>
  query.has(name) ? (query.get(name) ?? '').split(',').filter(Boolean) : null;
const expansionOf = (query: URLSearchParams): ReadonlySet<string> => new Set(listOf(query, 'expand') ?? []);

export class RestApi {
  readonly #world: World;
  readonly #now: () => Date;
  readonly #office: BackOffice;
  readonly #history: GateHistory;
  readonly #webhooks: WebhookSender;

  constructor(options: SimulatorOptions, journal: Journal, secret: string) {
    this.#world = options.world;
    this.#now = options.now;
    this.#webhooks = new WebhookSender(secret, options.now, journal);
    this.#history = new GateHistory(options);
    this.#office = new BackOffice(options);
  }

  close(): void {
    this.#webhooks.close();
    this.#office.save();
  }

  /** Records a movement and sends the session and the lot's new count to the subscribers. */
  drive(moment: VehicleMovement): void {
    const { stay, reading } = this.#history.drive(moment);
    const everything = new Set(['hierarchyElement', 'segments.financialTransactions']);
    const topic = moment.kind === 'enter' ? 'SessionCreated' : 'SessionUpdated';
    const send = (name: string, object: unknown) =>
      this.#webhooks.send(this.#office.subscriptions, name, moment.at, object);
    send(topic, apds.session(this.#world, stay, everything));
    send('ObservationCreated', apds.observation(moment.lot, reading, everything));
  }

  /** Handles one request. */
  handle(method: string, path: string, query: URLSearchParams, body: unknown): ApiResponse {
    const [, first = '', second = '', third] = path.split('/').map(decodeURIComponent);
    const resource = first === 'rights' ? `${first}/${second}` : first;
    const id = first === 'rights' ? third : second || undefined;
    switch (`${method} ${resource}${id === undefined ? '' : '/{id}'}`) {
      case 'GET places':
        return this.#places(query);
      case 'GET sessions':
        return this.#sessions(query);
      case 'GET observations':
        return this.#observations(query);
      case 'DELETE observations/{id}':
        return this.#office.recordDeletion(id ?? '', 'Observation', query, 1);
      case 'GET rights/assigned':
        return this.#rights(query);
      case 'POST rights/assigned':
        return this.#office.createRight(body as Record<string, unknown>);
      case 'GET rights/assigned/{id}':
        return this.#withRight(id ?? '', (right) => ({
          status: 200,
          body: apds.assignedRight(right, expansionOf(query)),
        }));
      case 'PUT rights/assigned/{id}':
        return this.#withRight(id ?? '', (right) => this.#office.updateRight(right, body as Record<string, unknown>));
      case 'DELETE rights/assigned/{id}':
        return this.#withRight(id ?? '', (right) => this.#office.deleteRight(right, query));
      case 'POST webhooks':
        return this.#office.subscribe(body as Record<string, unknown>);
      case 'GET webhooks/{id}': {
        const subscription = this.#office.subscription(id ?? '');
        return subscription ? { status: 200, body: subscription } : NOT_FOUND;
      }
      case 'DELETE webhooks/{id}':
        return this.#office.unsubscribe(id ?? '');
      default:
        return NOT_FOUND;
    }
  }

  #withRight(id: string, respond: (right: apds.Right) => ApiResponse): ApiResponse {
    const right = this.#office.right(id);
    return right ? respond(right) : NOT_FOUND;
  }

  #places(query: URLSearchParams): ApiResponse {
    const expand = expansionOf(query);
    const rows = this.#world.lots.map((lot) => ({
      modified: toSeconds(this.#now()),
      body: apds.place(lot, { count: this.#history.count(lot.id), at: this.#now() }, expand),
    }));
    return this.#list(rows, query, 'Place');
  }

  #sessions(query: URLSearchParams): ApiResponse {
    const expand = expansionOf(query);
    const instant = (name: string) => (query.has(name) ? Number(query.get(name)) : null);
    const [from, to, reference] = [instant('start_after'), instant('start_before'), instant('reference_instant')];
    const ids = listOf(query, 'credential_id');
    const holders = query.get('credential_class') === 'CustomerCredential' ? ids : null;
    const plates = query.get('credential_class') === 'VehicleCredential' ? ids : null;
    const stays = this.#history
      .sessions({ openOnly: query.get('open') === 'true', since: instant('modified_since') ?? from })
      .filter(
        (stay) =>
          (!plates || plates.includes(stay.vehicle.plate)) &&
          (!holders || holders.includes(stay.vehicle.company)) &&
          (from === null || toSeconds(stay.start) >= from) &&
          (to === null || stay.start.getTime() < to * 1000) &&
          (reference === null || toSeconds(stay.start) <= reference),
      );
    const row = (stay: apds.Stay): Row => ({
      modified: toSeconds(stay.end ?? stay.start),
      body: apds.session(this.#world, stay, expand),
    });
    if (holders === null || query.get('group_by') !== 'credential') return this.#list(stays.map(row), query, 'Session');
    const groups = holders.map((holder) => {
      const rows = stays.filter((stay) => stay.vehicle.company === holder).map(row);
      return { credentialId: holder, ...(this.#list(rows, query, 'Session').body as object) };
    });
    return { status: 200, body: { groups } };
  }

  #observations(query: URLSearchParams): ApiResponse {
    const expand = expansionOf(query);
    const after = Number(query.get('modified_since') ?? query.get('start_after') ?? 0);
    const deleted = new Set(this.#office.deletions.map(({ id }) => id));
    const rows = this.#history
      .readings(new Date(after * 1000), query.has('reference_instant') ? Number(query.get('reference_instant')) : null)
      .filter(({ id }) => !deleted.has(id))
      .map((reading) => {
        const lot = this.#world.lots.find(({ id }) => id === reading.lot);
        return { modified: toSeconds(reading.at), body: lot && apds.observation(lot, reading, expand) };
      });
    return this.#list(rows, query, 'Observation');
  }

  /** Rights of vehicles parked at the reference instant come first, as in the back office's own user interface. */
  #rights(query: URLSearchParams): ApiResponse {
    const expand = expansionOf(query);
    const ids = listOf(query, 'credential_id');
    const credentialClass = query.get('credential_class');
    const at = query.has('reference_instant') ? new Date(Number(query.get('reference_instant')) * 1000) : this.#now();
    const here = new Set([...parkedStays(this.#world, at).values()].flat().map(({ vehicle }) => vehicle.plate));
    const rows = this.#office.rights
      .filter(
        (right) =>
          !ids ||
          (credentialClass === 'CustomerCredential' && right.creditCode !== null && ids.includes(right.creditCode)) ||
          (credentialClass === 'VehicleCredential' && ids.includes(right.plate)),
      )
      .sort((a, b) => Number(here.has(b.plate)) - Number(here.has(a.plate)) || (a.id < b.id ? -1 : 1))
      .map((right) => ({ modified: right.modified, body: apds.assignedRight(right, expand) }));
    return this.#list(rows, query, 'AssignedRight');
  }

  /** A page of a list. `deletedReferences` is included only in queries with `modified_since`. */
  #list(rows: readonly Row[], query: URLSearchParams, className: string): ApiResponse {
    const since = query.has('modified_since') ? Number(query.get('modified_since')) : null;
    const matching = since === null ? rows : rows.filter(({ modified }) => modified >= since);
    const offset = Number(query.get('offset') ?? 0);
    const pageSize = Math.min(Number(query.get('page_size') ?? 100), 1_000);
    const referenceInstant = Number(query.get('reference_instant') ?? toSeconds(this.#now()));
    return {
      status: 200,
      body: {
        meta: { referenceInstant, offset, pageSize, total: matching.length },
        data: matching.slice(offset, offset + pageSize).map(({ body }) => body),
        ...(since === null
          ? {}
          : {
              deletedReferences: this.#office.deletions.filter(
                (deletion) =>
                  deletion.className === className && toSeconds(new Date(deletion.deleteTimestamp)) >= since,
              ),
            }),
      },
    };
  }
}
