/**
 * Admits webhooks. The headers are checked before any of the body is read, and the memory of all bodies that are being received is
 * limited. A body that arrives too slowly is aborted; sooner if another webhook needs its slot.
 */
import type { IncomingMessage } from 'node:http';
import type { ProcessLimits } from '../config/sections/limits.ts';
import type { WebhookRequirements } from '../connector.ts';
import { SharedBudget } from '../tasks/shared-budget.ts';
import { INTAKE_FULL, SMALL_BODY, WebhookBody, type WebhookRejection } from './webhook-body.ts';

export type IntakeLimits = Pick<ProcessLimits, 'webhook' | 'webhooks' | 'webhookBytes'>;

/** In milliseconds. */
export interface IntakeTimeouts {
  /** Without progress of a body. */
  readonly idle: number;
  /** For a whole body. */
  readonly total: number;
  /** Without progress, until a body may be aborted in favour of another webhook. */
  readonly grace: number;
}

const DEFAULT_TIMEOUTS: IntakeTimeouts = { idle: 5_000, total: 25_000, grace: 500 };
/** Milliseconds between two checks for slow bodies. */
const CHECK_INTERVAL = 250;
/** 1/4 of all slots and bytes is reserved for small bodies. */
const SMALL_BODY_PART = 4;
/** A large body waits so many times the grace period before another one is aborted for it. */
const LARGE_GRACE_FACTOR = 4;

const TOO_SLOW: WebhookRejection = { status: 408, message: 'The body arrived too slowly. Send it again.' };

type WebhookHeaders = Pick<IncomingMessage, 'method' | 'headers'>;

export class WebhookIntake {
  readonly limits: IntakeLimits;
  readonly slots: SharedBudget;
  readonly bytes: SharedBudget;
  readonly #timeouts: IntakeTimeouts;
  readonly #bodies = new Set<WebhookBody>();
  /** Slots in use by installation. */
  readonly #slotsOf = new Map<string, SharedBudget>();
  #timer: NodeJS.Timeout | undefined;
  /**
   * Large buffers of aborted bodies, for reuse: otherwise they would accumulate until the next garbage collection. At most as many as
   * bodies may be received at once; none while no body is received.
   */
  #spareBuffers: Buffer[] = [];
  readonly #buffers = {
    take: (bytes: number): Buffer => {
      const index = bytes > SMALL_BODY ? this.#spareBuffers.findIndex((buffer) => buffer.length >= bytes) : -1;
      return index < 0 ? Buffer.allocUnsafeSlow(bytes) : (this.#spareBuffers.splice(index, 1)[0] as Buffer);
    },
    give: (buffer: Buffer): void => {
      const spareBytes = this.#spareBuffers.reduce((sum, spare) => sum + spare.length, buffer.length);
      if (buffer.length > SMALL_BODY && this.bytes.used + spareBytes <= this.bytes.limit)
        this.#spareBuffers.push(buffer);
    },
  };

  constructor(limits: IntakeLimits, timeouts: Partial<IntakeTimeouts> = {}) {
    this.limits = limits;
    this.slots = new SharedBudget(limits.webhooks);
    this.bytes = new SharedBudget(limits.webhookBytes);
    this.#timeouts = { ...DEFAULT_TIMEOUTS, ...timeouts };
  }

  /**
   * Checks the headers and reserves a slot, without reading the body. Returns the body to be received, or a rejection. `forwarded`: the
   * body is forwarded to another process, which buffers it and checks the method.
   */
  admit(
    request: WebhookHeaders,
    installation: string,
    options: { readonly requirements?: WebhookRequirements | undefined; readonly forwarded?: boolean } = {},
  ): WebhookBody | WebhookRejection {
    const { requirements = {}, forwarded = false } = options;
    const maxBytes = Math.min(this.limits.webhook, requirements.maxBytes ?? this.limits.webhook);
    const rejection = checkHeaders(request, requirements, { maxBytes, checkMethod: !forwarded });
    if (rejection) return rejection;
    const declared = request.headers['content-length'];
    const length = declared === undefined ? null : Number(declared);
    const body = new WebhookBody({
      installation,
      maxBytes,
      length: length ?? (request.headers['transfer-encoding'] === undefined ? 0 : null),
      forwarded,
      reserve: (growing, amount) => this.#reserve(growing, amount),
      requestLargeSlot: (growing) => this.#hasLargeSlot(growing),
      buffers: this.#buffers,
      onRelease: (released) => this.#release(released),
    });
    const ownSlots = this.#slotsOf.get(installation) ?? new SharedBudget(Math.ceil(this.limits.webhooks / 2));
    const { isLarge } = body;
    const fits = () =>
      this.slots.used < this.#limit(this.slots, isLarge) &&
      ownSlots.used < this.#limit(ownSlots, isLarge) &&
      this.bytes.used + body.reserved <= this.#limit(this.bytes, isLarge);
    const ownOnly = ownSlots.used >= this.#limit(ownSlots, isLarge);
    if (!fits() && !(this.#abortSlowest(installation, { ownOnly, isLarge }) && fits())) {
      this.slots.recordRejection();
      return INTAKE_FULL;
    }
    this.slots.reserve(1);
    ownSlots.reserve(1);
    this.bytes.reserve(body.reserved);
    this.#slotsOf.set(installation, ownSlots);
    this.#bodies.add(body);
    this.#timer ??= setInterval(() => this.#abortTimedOut(), CHECK_INTERVAL).unref();
    return body;
  }

  /** The part of the budget that a large or a small body may use. */
  #limit(budget: SharedBudget, isLarge: boolean): number {
    return isLarge ? budget.limit - Math.floor(budget.limit / SMALL_BODY_PART) : budget.limit;
  }

  /** Whether a body of unknown length that has become large, and has its slot already, may keep it. */
  #hasLargeSlot(body: WebhookBody): boolean {
    const fits = () => this.slots.used <= this.#limit(this.slots, true);
    if (fits() || (this.#abortSlowest(body.installation, { isLarge: true, except: body }) && fits())) return true;
    this.slots.recordRejection();
    return false;
  }

  /** Reserves more bytes for a body. */
  #reserve(body: WebhookBody, amount: number): boolean {
    const fits = () => this.bytes.used + amount <= this.#limit(this.bytes, body.isLarge);
    if (!fits() && !(this.#abortSlowest(body.installation, { isLarge: true, except: body }) && fits())) {
      this.bytes.recordRejection();
      return false;
    }
    this.bytes.reserve(amount);
    return true;
  }

  /**
   * Aborts the body without progress for the longest time, if that exceeds the grace period, which is longer in favour of a large body.
   * `ownOnly`: only a body of this installation. Returns whether a body was aborted.
   */
  #abortSlowest(
    installation: string,
    options: { readonly ownOnly?: boolean; readonly isLarge: boolean; readonly except?: WebhookBody },
  ): boolean {
    const { ownOnly = false, isLarge, except } = options;
    const now = performance.now();
    const grace = this.#timeouts.grace * (isLarge ? LARGE_GRACE_FACTOR : 1);
    let slowest: WebhookBody | null = null;
    for (const body of this.#bodies) {
      if (body === except || (ownOnly && body.installation !== installation)) continue;
      if (now - body.progressedAt < grace) continue;
      if (slowest === null || body.progressedAt < slowest.progressedAt) slowest = body;
    }
    slowest?.abort(INTAKE_FULL);
    return slowest !== null;
  }

  #abortTimedOut(): void {
    const now = performance.now();
    const { idle, total } = this.#timeouts;
    for (const body of this.#bodies)
      if (now - body.progressedAt > idle || now - body.startedAt > total) body.abort(TOO_SLOW);
  }

  #release(body: WebhookBody): void {
    if (!this.#bodies.delete(body)) return;
    this.slots.release(1);
    this.bytes.release(body.reserved);
    const ownSlots = this.#slotsOf.get(body.installation);
    ownSlots?.release(1);
    if (ownSlots?.used === 0) this.#slotsOf.delete(body.installation);
    if (this.#bodies.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#spareBuffers = [];
  }
}

/** The rejection that the headers alone require; null if there is none. */
function checkHeaders(
  { method, headers }: WebhookHeaders,
  requirements: WebhookRequirements,
  { maxBytes, checkMethod }: { readonly maxBytes: number; readonly checkMethod: boolean },
): WebhookRejection | null {
  const methods = requirements.methods ?? ['POST'];
  if (checkMethod && !methods.includes(method ?? ''))
    return {
      status: 405,
      message: `Method ${method ?? ''} is not allowed. Use ${methods.join(' or ')}.`,
      headers: { allow: methods.join(', ') },
    };
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return { status: 415, message: `Content-Encoding ${encoding} is not supported. Send the body uncompressed.` };
  for (const [name, isValid] of Object.entries(requirements.headers ?? {})) {
    const value = headers[name.toLowerCase()];
    const text = Array.isArray(value) ? value.join(', ') : value;
    if (text === undefined) return { status: 401, message: `Header ${name} is missing.` };
    if (!isValid(text)) return { status: 401, message: `Header ${name} is invalid or too old.` };
  }
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (requirements.mediaTypes && !requirements.mediaTypes.includes(type))
    return { status: 415, message: `Content-Type is not supported. Use ${requirements.mediaTypes.join(' or ')}.` };
  const length = Number(headers['content-length'] ?? 0);
  if (!(length <= maxBytes))
    return { status: 413, message: `Body is too large: ${length} bytes, at most ${maxBytes} are accepted.` };
  return null;
}
