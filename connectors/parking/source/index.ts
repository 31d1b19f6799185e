/** The parking source: the only module that calls the vendor. It returns the model, never the vendor's records. */
import type { Call } from '../../kit/call.ts';
import type { Drift, Job, WebhookRequest, WebhookRequirements, WebhookResponse } from '../../kit/connector.ts';
import type { Services } from '../../kit/services.ts';
import * as mapping from '../mapping/index.ts';
import type { ParkingSettings } from '../settings.ts';
import { HolderSessions } from './holder-sessions.ts';
import { Ingestion } from './ingestion.ts';
import { ParkingApi, type Query } from './parking-api.ts';
import { Permits } from './permits.ts';
import { createRequest, type ParkingRequest, type RequestDependencies } from './request-loaders.ts';
import { Vehicles } from './vehicles.ts';
import { isRecentSignature } from './webhook-signature.ts';

/** Number of records of each kind that the drift check compares. */
const DRIFT_SAMPLE = 20;
/** Milliseconds. Kinds with a time filter are compared by records of the last day. */
const DRIFT_PERIOD = 86_400_000;

export class ParkingSource {
  readonly #services: Services;
  readonly #api: ParkingApi;
  readonly #ingestion: Ingestion;
  readonly #dependencies: RequestDependencies;

  constructor(settings: ParkingSettings, services: Services) {
    const api = new ParkingApi(settings.url, settings.token);
    const vehicles = new Vehicles(services);
    const inflow = new Ingestion(settings, services, api, vehicles);
    const permits = new Permits(services, api, (granted) => vehicles.save(granted));
    const sessions = new HolderSessions({ guard: services.guard, api, vehicles });
    this.#services = services;
    this.#api = api;
    this.#ingestion = inflow;
    this.#dependencies = { services, api, vehicles, sessions, ingestion: inflow, permits };
  }

  /** Health check: requests one place. */
  async check(call: Call): Promise<void> {
    await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
      this.#api.get('/places', { page_size: 1 }, signal),
    );
  }

  /** Expected fields that are missing from all sampled records of a kind. */
  async drift(call: Call): Promise<readonly Drift[]> {
    const found: Drift[] = [];
    for (const expected of mapping.EXPECTED_RECORDS) {
      const query: Query = { expand: expected.expand, page_size: DRIFT_SAMPLE };
      const start = mapping.floorSeconds(new Date(this.#services.clock.now().getTime() - DRIFT_PERIOD));
      const { value } = await this.#services.guard.read(call, { operation: 'check', retry: false }, (signal) =>
        this.#api.get(
          expected.path,
          expected.sinceParameter === null ? query : { ...query, [expected.sinceParameter]: start },
          signal,
        ),
      );
      found.push(...mapping.findDrift(value, expected));
    }
    return found;
  }

  get jobs(): readonly Job[] {
    return this.#ingestion.jobs;
  }

  /** Rejects a webhook before its body is read unless the signature header is well-formed and recent. */
  get webhookNeeds(): WebhookRequirements {
    return { headers: { 'x-signature': (value) => isRecentSignature(value, this.#services.clock.now()) } };
  }

  webhook(request: WebhookRequest): Promise<WebhookResponse> {
    return this.#ingestion.webhook(request);
  }

  lag(): number | null {
    return this.#ingestion.lag();
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  /** Creates the loaders of one request. */
  request(call: Call): ParkingRequest {
    return createRequest(this.#dependencies, call);
  }
}
