/**
 * Webhooks on their way in: what a call's head says is checked before a byte of its body is read, and what all bodies under way hold is
 * bounded. A body that does not come is cut off; sooner, where its place is wanted for another call.
 */
import type { IncomingMessage } from 'node:http';
import type { ProcessLimits } from '../config/sections/limits.ts';
import type { WebhookNeeds } from '../connector.ts';
import { Budget } from '../tasks/shared-budget.ts';
import { FULL, SMALL, WebhookBody, type WebhookRefusal } from './webhook-body.ts';

export type IntakeLimits = Pick<ProcessLimits, 'webhook' | 'webhooks' | 'webhookBytes'>;

/** In milliseconds. */
export interface IntakeTimes {
  /** A further `PIECE` of a body must come within this time. */
  readonly idle: number;
  /** The whole of it must come within this time. */
  readonly whole: number;
  /** A body may take this long before its place may be given to another call. */
  readonly grace: number;
}

const TIMES: IntakeTimes = { idle: 5_000, whole: 25_000, grace: 500 };
/** How often bodies under way are looked at, in milliseconds. */
const LOOK = 250;
/** One of so many parts of all places and bytes is kept for small bodies. */
const KEPT_FOR_SMALL = 4;
/** A large body waits so many times longer before it takes another's place. */
const LARGE_GRACE = 4;

const SLOW: WebhookRefusal = { status: 408, message: 'The body came too slowly; send it again.' };

export class WebhookIntake {
  readonly limits: IntakeLimits;
  readonly places: Budget;
  readonly bytes: Budget;
  readonly #times: IntakeTimes;
  readonly #bodies = new Set<WebhookBody>();
  readonly #perInstallation = new Map<string, Budget>();
  #timer: NodeJS.Timeout | undefined;
  /**
   * Large buffers of bodies that never came whole, for the next ones: else they would pile up until they are collected. As many as
   * bodies may be under way, and none once no body is.
   */
  #spare: Buffer[] = [];
  readonly #buffers = {
    take: (bytes: number): Buffer => {
      const at = bytes > SMALL ? this.#spare.findIndex((one) => one.length >= bytes) : -1;
      return at < 0 ? Buffer.allocUnsafeSlow(bytes) : (this.#spare.splice(at, 1)[0] as Buffer);
    },
    give: (buffer: Buffer): void => {
      const spare = this.#spare.reduce((sum, one) => sum + one.length, buffer.length);
      if (buffer.length > SMALL && this.bytes.held + spare <= this.bytes.most) this.#spare.push(buffer);
    },
  };

  constructor(limits: IntakeLimits, times: Partial<IntakeTimes> = {}) {
    this.limits = limits;
    this.places = new Budget(limits.webhooks);
    this.bytes = new Budget(limits.webhookBytes);
    this.#times = { ...TIMES, ...times };
  }

  /**
   * A place for the call's body, or why it is refused: all without reading it. `passing`: the body is handed on piece by piece to another
   * process, which holds it.
   */
  admit(
    request: Pick<IncomingMessage, 'method' | 'headers'>,
    installation: string,
    { needs = {}, passing = false }: { readonly needs?: WebhookNeeds | undefined; readonly passing?: boolean } = {},
  ): WebhookBody | WebhookRefusal {
    const most = Math.min(this.limits.webhook, needs.most ?? this.limits.webhook);
    const refused = refusalOf(request, needs, most, !passing);
    if (refused) return refused;
    const declared = request.headers['content-length'];
    const length = declared === undefined ? null : Number(declared);
    const body = new WebhookBody({
      installation,
      most,
      length: length ?? (request.headers['transfer-encoding'] === undefined ? 0 : null),
      passing,
      reserve: (one, amount) => this.#reserve(one, amount),
      outgrown: (one) => this.#outgrown(one),
      buffers: this.#buffers,
      left: (one) => this.#left(one),
    });
    const own = this.#perInstallation.get(installation) ?? new Budget(Math.ceil(this.limits.webhooks / 2));
    const { large } = body;
    const enter = () =>
      this.places.held < this.#share(this.places, large) &&
      own.held < this.#share(own, large) &&
      this.bytes.held + body.reserved <= this.#share(this.bytes, large);
    const ownFull = own.held >= this.#share(own, large);
    if (!enter() && !(this.#makeRoom(installation, { own: ownFull, large }) && enter())) {
      this.places.refuse();
      return FULL;
    }
    this.places.force(1);
    own.force(1);
    this.bytes.force(body.reserved);
    this.#perInstallation.set(installation, own);
    this.#bodies.add(body);
    this.#timer ??= setInterval(() => this.#look(), LOOK).unref();
    return body;
  }

  #share(budget: Budget, large: boolean): number {
    return large ? budget.most - Math.floor(budget.most / KEPT_FOR_SMALL) : budget.most;
  }

  /** A body whose length nobody knew turns out to be large: it has its place already. */
  #outgrown(body: WebhookBody): boolean {
    const fits = () => this.places.held <= this.#share(this.places, true);
    if (fits() || (this.#makeRoom(body.installation, { large: true, but: body }) && fits())) return true;
    this.places.refuse();
    return false;
  }

  /** More bytes for it. */
  #reserve(body: WebhookBody, amount: number): boolean {
    const fits = () => this.bytes.held + amount <= this.#share(this.bytes, body.large);
    if (!fits() && !(this.#makeRoom(body.installation, { large: true, but: body }) && fits())) {
      this.bytes.refuse();
      return false;
    }
    this.bytes.force(amount);
    return true;
  }

  /** Cuts the slowest body off (`own`: of this installation) where it has had its time, which is longer for a `large` one; whether one was. */
  #makeRoom(
    installation: string,
    { own = false, large, but }: { own?: boolean; large: boolean; but?: WebhookBody },
  ): boolean {
    const now = performance.now();
    const grace = this.#times.grace * (large ? LARGE_GRACE : 1);
    let slowest: WebhookBody | null = null;
    for (const one of this.#bodies) {
      if (one === but || (own && one.installation !== installation)) continue;
      if (now - one.movedAt < grace) continue;
      if (slowest === null || one.movedAt < slowest.movedAt) slowest = one;
    }
    slowest?.cut(FULL);
    return slowest !== null;
  }

  #look(): void {
    const now = performance.now();
    for (const one of this.#bodies)
      if (now - one.movedAt > this.#times.idle || now - one.begunAt > this.#times.whole) one.cut(SLOW);
  }

  #left(body: WebhookBody): void {
    if (!this.#bodies.delete(body)) return;
    this.places.give(1);
    this.bytes.give(body.reserved);
    const own = this.#perInstallation.get(body.installation);
    own?.give(1);
    if (own?.held === 0) this.#perInstallation.delete(body.installation);
    if (this.#bodies.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#spare = [];
  }
}

/** What the head alone says against a call. */
function refusalOf(
  { method, headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  needs: WebhookNeeds,
  most: number,
  known: boolean,
): WebhookRefusal | null {
  const methods = needs.methods ?? ['POST'];
  if (known && !methods.includes(method ?? ''))
    return {
      status: 405,
      message: `Only ${methods.join(', ')} is taken here.`,
      headers: { allow: methods.join(', ') },
    };
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return { status: 415, message: 'Compressed calls are not read: send the body as it is.' };
  for (const [name, fits] of Object.entries(needs.headers ?? {})) {
    const value = headers[name.toLowerCase()];
    const text = Array.isArray(value) ? value.join(', ') : value;
    if (text === undefined) return { status: 401, message: `The header ${name} is missing.` };
    if (!fits(text)) return { status: 401, message: `The header ${name} is not of its form, or too old.` };
  }
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (needs.types && !needs.types.includes(type))
    return { status: 415, message: `The content type must be one of ${needs.types.join(', ')}.` };
  const length = Number(headers['content-length'] ?? 0);
  if (!(length <= most)) return { status: 413, message: `A call may hold ${most} bytes, this one says ${length}.` };
  return null;
}
