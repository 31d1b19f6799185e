/**
 * A pretend parking back end in APDS terms (ISO/TS 5206-1), written from its manual: REST with a token and paging, webhooks
 * signed and told at least once. An independent witness: it shares nothing with the connector.
 */
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type Drive, parked, story, type Vehicle, type World } from '../kit/testing/park.ts';
import {
  Journal,
  listen,
  type Running,
  type Simulator,
  type SimulatorOptions,
  tellStory,
} from '../kit/testing/simulator.ts';

const TOKEN = 'lakeside-parking-demo-token';
const SECRET = 'lakeside-parking-demo-webhook-secret';
const QUARTER = 15 * 60_000;
const DAY = 86_400_000;

interface Right {
  id: string;
  version: number;
  reference: string | null;
  plate: string;
  colour: string;
  lot: string;
  creditCode: string | null;
  contractNumber: string | null;
  validityStart: string;
  validityEnd: string | null;
  rightStatus: 'active' | 'revoked';
}

interface Kept {
  rights: Right[];
  hooks: string[];
  events: number;
}

interface Stay {
  readonly id: string;
  readonly vehicle: Vehicle;
  readonly lot: string;
  readonly start: Date;
  end: Date | null;
}

class ParkingBackend {
  readonly #options: SimulatorOptions;
  readonly #world: World;
  readonly #journal: Journal;
  readonly #file: string;
  readonly #kept: Kept;
  readonly #founded: Date;
  /** Event ids never repeat, also after a kill. */
  readonly #run: string;
  readonly #open = new Map<string, Stay>();
  readonly #ended: Stay[] = [];
  readonly #counts = new Map<string, number>();
  readonly #live: { id: string; lot: string; at: Date; count: number }[] = [];
  #closed = false;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: SimulatorOptions, journal: Journal) {
    this.#options = options;
    this.#world = options.world;
    this.#journal = journal;
    this.#run = options.now().getTime().toString(36);
    this.#file = join(options.directory, 'backend.json');
    this.#founded = new Date(Math.floor(options.now().getTime() / 60_000) * 60_000);
    this.#kept = existsSync(this.#file)
      ? (JSON.parse(readFileSync(this.#file, 'utf8')) as Kept)
      : { rights: options.world.vehicles.map((one) => this.#firstRight(one)), hooks: [], events: 0 };
    const from = options.now();
    for (const [lot, stays] of parked(this.#world, from)) {
      this.#counts.set(lot, stays.length);
      for (const one of stays) {
        this.#open.set(one.session, {
          id: one.session,
          vehicle: one.vehicle,
          lot: one.lot.id,
          start: one.enteredAt,
          end: null,
        });
      }
    }
  }

  #firstRight(vehicle: Vehicle): Right {
    const company = this.#world.companies.find((one) => one.uscc === vehicle.company);
    return {
      id: `R${String(vehicle.index + 1).padStart(5, '0')}`,
      version: 1,
      reference: null,
      plate: vehicle.plate,
      colour: vehicle.colour,
      lot: vehicle.lot,
      creditCode: vehicle.company,
      contractNumber: company ? `PK-${company.tenantNo.slice(2)}` : null,
      validityStart: '2025-01-01T00:00:00Z',
      validityEnd: null,
      rightStatus: 'active',
    };
  }

  #save(): void {
    writeFileSync(this.#file, JSON.stringify(this.#kept));
  }

  /** A car moves: the session and the count change, and who has asked is called. */
  drive(moment: Drive): void {
    const { session, vehicle, lot, at } = moment;
    if (moment.kind === 'enter') {
      this.#open.set(session, { id: session, vehicle, lot: lot.id, start: at, end: null });
      this.#counts.set(lot.id, (this.#counts.get(lot.id) ?? 0) + 1);
    } else {
      const stay = this.#open.get(session) ?? { id: session, vehicle, lot: lot.id, start: moment.enteredAt, end: null };
      stay.end = at;
      this.#open.delete(session);
      this.#ended.push(stay);
      if (this.#ended.length > 2_000) this.#ended.shift();
      this.#counts.set(lot.id, Math.max((this.#counts.get(lot.id) ?? 1) - 1, 0));
    }
    const stay = this.#open.get(session) ?? this.#ended.at(-1);
    const observation = {
      id: `live-${at.getTime()}-${session}`,
      lot: lot.id,
      at,
      count: this.#counts.get(lot.id) ?? 0,
    };
    this.#live.push(observation);
    if (this.#live.length > 5_000) this.#live.shift();
    if (stay) this.#tell(moment.kind === 'enter' ? 'session.started' : 'session.ended', at, this.#session(stay));
    this.#tell('observation.created', at, this.#observation(observation.id, lot.id, at, observation.count));
  }

  /** Calls every hook; at least once: every seventh event comes twice, and a failed call is repeated. */
  #tell(eventType: string, at: Date, object: unknown): void {
    const number = ++this.#kept.events;
    const body = JSON.stringify({
      eventId: `E${this.#run}-${number}`,
      eventType,
      eventDateTime: at.toISOString(),
      object,
    });
    for (const hook of this.#kept.hooks) {
      this.#call(hook, body, 0);
      if (number % 7 === 0) this.#call(hook, body, 0);
    }
  }

  #call(hook: string, body: string, tries: number): void {
    if (this.#closed) return;
    const seconds = Math.floor(this.#options.now().getTime() / 1000);
    const signature = createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex');
    const again = () => {
      if (tries >= 6 || this.#closed) return;
      const timer = setTimeout(
        () => {
          this.#timers.delete(timer);
          this.#call(hook, body, tries + 1);
        },
        500 * 2 ** tries,
      );
      this.#timers.add(timer);
    };
    fetch(hook, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-signature': `t=${seconds},v1=${signature}` },
      body,
      signal: AbortSignal.timeout(5_000),
    }).then(
      async (answer) => {
        await answer.arrayBuffer();
        this.#journal.append({ operation: 'webhook', status: answer.status, body: JSON.parse(body) as unknown });
        if (answer.status >= 500 || answer.status === 404) again();
      },
      () => again(),
    );
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#save();
  }

  /** One request of the REST interface. */
  answer(method: string, path: string, query: URLSearchParams, body: unknown): { status: number; body: unknown } {
    const list = (name: string) => query.get(name)?.split(',').filter(Boolean) ?? null;
    if (method === 'GET' && path === '/places')
      return this.#paged(
        this.#world.lots.map((one) => this.#place(one.id)),
        query,
      );
    if (method === 'GET' && path === '/webhooks')
      return { status: 200, body: { data: this.#kept.hooks.map((endpoint, i) => ({ id: `W${i + 1}`, endpoint })) } };
    if (method === 'POST' && path === '/webhooks') return this.#hook(body);
    if (method === 'GET' && path === '/observations')
      return this.#paged(this.#observations(new Date(query.get('start_after') ?? 0)), query);
    if (method === 'GET' && path === '/sessions') {
      const holders = list('holder');
      const plates = list('credential');
      const after = query.get('start_after');
      const before = query.get('start_before');
      const all = this.#sessions(query.get('open') === 'true', after ? new Date(after) : null).filter(
        (one) =>
          (!plates || plates.includes(one.vehicle.plate)) &&
          (!after || one.start >= new Date(after)) &&
          (!before || one.start < new Date(before)),
      );
      if (!holders)
        return this.#paged(
          all.map((one) => this.#session(one)),
          query,
        );
      return this.#grouped(
        holders,
        (holder) => all.filter((one) => one.vehicle.company === holder).map((one) => this.#session(one)),
        query,
      );
    }
    if (method === 'GET' && path === '/rights/assigned') {
      const holders = list('holder');
      const plates = list('credential');
      const all = this.#kept.rights.filter(
        (one) =>
          (!plates || plates.includes(one.plate)) &&
          (!query.has('reference') || one.reference === query.get('reference')) &&
          (!query.has('id') || one.id === query.get('id')),
      );
      if (!holders) return this.#paged(all.map(right), query);
      const distinct = (rights: Right[]) =>
        query.get('distinct') === 'credential'
          ? [...new Map(rights.map((one) => [`${one.plate}${one.colour}`, one])).values()]
          : rights;
      return this.#grouped(
        holders,
        (holder) => distinct(this.#cars(all.filter((one) => one.creditCode === holder))).map(right),
        query,
      );
    }
    if (method === 'POST' && path === '/rights/assigned') return this.#grant(body as Record<string, unknown>);
    const revoke = /^\/rights\/assigned\/([^/]+)\/revoke$/.exec(path);
    if (method === 'POST' && revoke) {
      const one = this.#kept.rights.find((each) => each.id === decodeURIComponent(revoke[1] as string));
      if (!one) return { status: 404, body: { error: 'right' } };
      one.rightStatus = 'revoked';
      one.version++;
      this.#save();
      return { status: 200, body: right(one) };
    }
    return { status: 404, body: { error: 'path' } };
  }

  /** Cars that stand here come first, as the back office's own list shows them. */
  #cars(rights: Right[]): Right[] {
    const here = new Set([...this.#open.values()].map((one) => one.vehicle.plate));
    return [...rights].sort((a, b) => Number(here.has(b.plate)) - Number(here.has(a.plate)) || (a.id < b.id ? -1 : 1));
  }

  #paged(all: readonly unknown[], query: URLSearchParams) {
    const offset = Number(query.get('offset') ?? 0);
    const pageSize = Math.min(Number(query.get('page_size') ?? 100), 1_000);
    return {
      status: 200,
      body: {
        meta: { referenceInstant: this.#options.now().getTime(), offset, pageSize, total: all.length },
        data: all.slice(offset, offset + pageSize),
        deletedReferences: [],
      },
    };
  }

  #grouped(holders: readonly string[], of: (holder: string) => readonly unknown[], query: URLSearchParams) {
    return {
      status: 200,
      body: { groups: holders.map((holder) => ({ holder, ...this.#paged(of(holder), query).body })) },
    };
  }

  #hook(body: unknown) {
    const endpoint = (body as { endpoint?: unknown } | null)?.endpoint;
    if (typeof endpoint !== 'string' || !/^https?:/.test(endpoint)) return { status: 422, body: { error: 'endpoint' } };
    if (!this.#kept.hooks.includes(endpoint)) this.#kept.hooks.push(endpoint);
    if (this.#kept.hooks.length > 4) this.#kept.hooks.shift();
    this.#save();
    return { status: 201, body: { id: `W${this.#kept.hooks.length}`, endpoint } };
  }

  #grant(body: Record<string, unknown>) {
    const credential = (body['credentials'] as { identifier: string; plateColour: string }[] | undefined)?.[0];
    const lot = (body['hierarchyElement'] as { id?: string } | undefined)?.id;
    if (!credential || !this.#world.lots.some((one) => one.id === lot))
      return { status: 422, body: { error: 'lot or credential' } };
    const known = this.#kept.rights.find((one) => one.reference !== null && one.reference === body['reference']);
    if (known) return { status: 200, body: right(known) };
    const one: Right = {
      id: `R${String(this.#kept.rights.length + 1).padStart(5, '0')}`,
      version: 1,
      reference: String(body['reference']),
      plate: credential.identifier,
      colour: credential.plateColour,
      lot: lot as string,
      creditCode: (body['rightHolder'] as { creditCode?: string } | null)?.creditCode ?? null,
      contractNumber: null,
      validityStart: String(body['validityStart']),
      validityEnd: (body['validityEnd'] as string | null) ?? null,
      rightStatus: 'active',
    };
    this.#kept.rights.push(one);
    this.#save();
    return { status: 201, body: right(one) };
  }

  #place(id: string) {
    const lot = this.#world.lots.find((one) => one.id === id);
    return {
      id,
      version: 1,
      className: 'Place',
      name: [{ language: 'zh', string: lot?.name ?? id }],
      supplyQuantity: lot?.capacity ?? 0,
      occupancy: { count: this.#counts.get(id) ?? 0, instant: this.#options.now().toISOString() },
    };
  }

  /** Open sessions, and those that ended within the last day or since `after`, newest first. */
  #sessions(openOnly: boolean, after: Date | null): Stay[] {
    const open = [...this.#open.values()];
    if (openOnly) return open;
    const now = this.#options.now();
    const oldest = now.getTime() - this.#options.history;
    const from = new Date(Math.max(Math.min(after?.getTime() ?? now.getTime() - DAY, now.getTime() - DAY), oldest));
    const known = new Map<string, Stay>([...open, ...this.#ended].map((one) => [one.id, one]));
    for (const moment of story(this.#world, from, now)) {
      if (moment.kind !== 'exit' || known.has(moment.session)) continue;
      known.set(moment.session, {
        id: moment.session,
        vehicle: moment.vehicle,
        lot: moment.lot.id,
        start: moment.enteredAt,
        end: moment.at,
      });
    }
    return [...known.values()].sort((a, b) => b.start.getTime() - a.start.getTime() || (a.id < b.id ? -1 : 1));
  }

  #session(stay: Stay) {
    const hours = stay.end ? Math.ceil((stay.end.getTime() - stay.start.getTime()) / 3_600_000) : 0;
    const company = this.#world.companies.find((one) => one.uscc === stay.vehicle.company);
    return {
      id: stay.id,
      version: stay.end ? 2 : 1,
      actualStart: stay.start.toISOString(),
      actualEnd: stay.end?.toISOString() ?? null,
      hierarchyElement: { id: stay.lot, version: 1, className: 'Place' },
      identifiedCredentials: [credential(stay.vehicle.plate, stay.vehicle.colour)],
      rightHolder: company ? { creditCode: company.uscc, contractNumber: `PK-${company.tenantNo.slice(2)}` } : null,
      amountPaid: stay.end ? { value: `${hours * 2}.00`, currency: 'CNY' } : null,
    };
  }

  /** A reading every quarter of an hour of the past, and one at every movement since the start. */
  #observations(after: Date) {
    const now = this.#options.now();
    const from = Math.max(after.getTime(), now.getTime() - this.#options.history);
    const made: { id: string; at: Date; body: unknown }[] = [];
    const counts = new Map<string, number>();
    let at = Math.ceil(from / QUARTER) * QUARTER;
    for (const [lot, stays] of parked(this.#world, new Date(at))) counts.set(lot, stays.length);
    const moves = story(this.#world, new Date(at), this.#founded);
    let next = moves.next();
    for (; at <= this.#founded.getTime(); at += QUARTER) {
      while (!next.done && next.value.at.getTime() <= at) {
        const moment = next.value;
        if (moment.kind === 'enter') counts.set(moment.lot.id, (counts.get(moment.lot.id) ?? 0) + 1);
        if (moment.kind === 'exit') counts.set(moment.lot.id, (counts.get(moment.lot.id) ?? 1) - 1);
        next = moves.next();
      }
      for (const lot of this.#world.lots) {
        const id = `q-${lot.id}-${at / QUARTER}`;
        made.push({ id, at: new Date(at), body: this.#observation(id, lot.id, new Date(at), counts.get(lot.id) ?? 0) });
      }
    }
    for (const one of this.#live) {
      if (one.at.getTime() >= from)
        made.push({ id: one.id, at: one.at, body: this.#observation(one.id, one.lot, one.at, one.count) });
    }
    return made.sort((a, b) => a.at.getTime() - b.at.getTime() || (a.id < b.id ? -1 : 1)).map((one) => one.body);
  }

  #observation(id: string, lot: string, at: Date, count: number) {
    return {
      id,
      version: 1,
      observedElement: { id: lot, version: 1, className: 'Place' },
      observationDateTime: at.toISOString(),
      occupancyCount: count,
      supplyQuantity: this.#world.lots.find((one) => one.id === lot)?.capacity ?? null,
    };
  }
}

const credential = (plate: string, colour: string) => ({
  type: 'licensePlate',
  identifier: plate,
  plateColour: colour,
});

const right = (one: Right) => ({
  id: one.id,
  version: one.version,
  reference: one.reference,
  rightHolder: one.creditCode ? { creditCode: one.creditCode, contractNumber: one.contractNumber } : null,
  hierarchyElement: { id: one.lot, version: 1, className: 'Place' },
  credentials: [credential(one.plate, one.colour)],
  validityStart: one.validityStart,
  validityEnd: one.validityEnd,
  rightStatus: one.rightStatus,
});

async function handle(
  backend: ParkingBackend,
  journal: Journal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const say = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  if (request.headers['x-mcc-access-token'] !== TOKEN) return say(401, { error: 'token' });
  const text = Buffer.concat(parts).toString('utf8');
  const made = backend.answer(
    request.method ?? 'GET',
    url.pathname,
    url.searchParams,
    text ? (JSON.parse(text) as unknown) : null,
  );
  journal.append({ operation: `${request.method} ${url.pathname}`, query: url.search, status: made.status });
  say(made.status, made.body);
}

export const simulator: Simulator = {
  name: 'parking',
  start: async (options): Promise<Running> => {
    const journal = new Journal(options.directory);
    const backend = new ParkingBackend(options, journal);
    const server = createServer((request, response) => {
      handle(backend, journal, request, response).catch(() => response.destroy());
    });
    const port = await listen(server, options.ports?.['http']);
    const teller = tellStory(options, (moment) => {
      if (moment.kind === 'enter' || moment.kind === 'exit') backend.drive(moment);
    });
    let closed: Promise<void> | undefined;
    return {
      ports: { http: port },
      env: {
        LAKESIDE_PARKING_URL: `http://127.0.0.1:${port}`,
        LAKESIDE_PARKING_TOKEN: TOKEN,
        LAKESIDE_PARKING_SECRET: SECRET,
      },
      close: () => {
        closed ??= new Promise((resolve) => {
          teller.stop();
          backend.close();
          server.closeAllConnections();
          server.close(() => resolve());
        });
        return closed;
      },
    };
  },
};
