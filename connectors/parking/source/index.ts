/** The only room that talks to the parking vendor; speaks our model outward. */
import type { Call, Drift, Job, Services, WebhookAnswer, WebhookNeeds, WebhookRequest } from '../../kit/connector.ts';
import * as mapping from '../mapping/index.ts';
import type { ParkingSettings } from '../settings.ts';
import { HolderSessions } from './holder-sessions.ts';
import { ParkingApi, type Query } from './http.ts';
import { Inflow } from './inflow.ts';
import { Permits } from './permits.ts';
import { type ParkingRequest, type RequestParts, requestOf } from './request.ts';
import { Vehicles } from './vehicles.ts';
import { maySign } from './webhook-signature.ts';

/** Records of each kind that are looked at for drift, and how young they are where many come, in milliseconds. */
const COMPARED = 20;
const RECENT = 86_400_000;

export class ParkingSource {
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #inflow: Inflow;
  readonly #parts: RequestParts;

  constructor(settings: ParkingSettings, services: Services) {
    const api = new ParkingApi(settings.url, settings.token);
    const vehicles = new Vehicles(services);
    const inflow = new Inflow(settings, services, api, (vehicle) => vehicles.id(vehicle));
    const permits = new Permits(services, api, (all) => vehicles.remember(all));
    const sessions = new HolderSessions({ guard: services.guard, api, vehicles });
    this.#services = services;
    this.#api = api;
    this.#inflow = inflow;
    this.#parts = { services, api, vehicles, sessions, inflow, permits };
  }

  /** One cheap question. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
      this.#api.get('/places', { page_size: 1 }, signal),
    );
  }

  /** What the vendor's records lack; those of the last day where many come. */
  async drift(call: Call): Promise<readonly Drift[]> {
    const found: Drift[] = [];
    for (const one of mapping.EXPECTED) {
      const query: Query = { expand: one.expand, page_size: COMPARED };
      const recent = mapping.secondOf(new Date(this.#services.clock.now().getTime() - RECENT));
      const { value } = await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
        this.#api.get(one.path, one.since === null ? query : { ...query, [one.since]: recent }, signal),
      );
      found.push(...mapping.driftOf(value, one));
    }
    return found;
  }

  get jobs(): readonly Job[] {
    return this.#inflow.jobs;
  }

  /** Only calls whose signature may be right are read. */
  get webhookNeeds(): WebhookNeeds {
    return { headers: { 'x-signature': (value) => maySign(value, this.#services.clock.now()) } };
  }

  webhook(request: WebhookRequest): Promise<WebhookAnswer> {
    return this.#inflow.webhook(request);
  }

  lag(): number | null {
    return this.#inflow.lag();
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  /** For one request: fresh loaders. */
  request(call: Call): ParkingRequest {
    return requestOf(this.#parts, call);
  }
}
