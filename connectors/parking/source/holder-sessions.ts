/** The sessions of companies, a page for each. */
import type { Call, Known } from '../../kit/connector.ts';
import type { Guard } from '../../kit/guard/guard.ts';
import { withFacts } from '../../kit/provenance.ts';
import * as mapping from '../mapping/index.ts';
import type { Session } from '../model.ts';
import type { SessionSlice, Sliced } from './answers.ts';
import type { ParkingApi, Query } from './http.ts';
import type { Vehicles } from './vehicles.ts';

export interface HolderSessionsParts {
  readonly guard: Guard;
  readonly api: ParkingApi;
  readonly vehicles: Vehicles;
}

export class HolderSessions {
  readonly #parts: HolderSessionsParts;
  /** Whether the vendor answers a page for each holder when asked for several; found out by asking. */
  #groups = true;

  constructor(parts: HolderSessionsParts) {
    this.#parts = parts;
  }

  /** A page for each holder: in one call where the vendor can group, else a call for each, under the guard's limit. */
  async pages(
    call: Call,
    holders: readonly string[],
    slice: SessionSlice,
  ): Promise<ReadonlyMap<string, Known<Sliced<Session>>>> {
    const { guard, api, vehicles } = this.#parts;
    const query = (wanted: readonly string[]): Query => ({
      credential_class: 'CustomerCredential',
      credential_id: wanted,
      expand: ['credentials', 'segments', 'segments.financialTransactions'],
      offset: slice.offset,
      page_size: slice.size,
      ...(slice.instant === null ? {} : { reference_instant: slice.instant }),
      ...(slice.from === null ? {} : { start_after: mapping.secondOf(slice.from) }),
      ...(slice.to === null ? {} : { start_before: mapping.secondFrom(slice.to) }),
    });
    const key = (wanted: readonly string[]) => JSON.stringify([[...wanted].sort(), slice]);
    if (holders.length > 1 && this.#groups) {
      const found = await guard.read(
        call,
        { operation: 'sessions of holders', key: key(holders), type: 'ParkingSession' },
        async (signal) => {
          const body = await api.get('/sessions', { ...query(holders), group_by: 'credential' }, signal);
          const groups = mapping.groups(body, mapping.session);
          await vehicles.remember([...(groups?.values() ?? [])].flatMap((one) => one.items));
          return groups;
        },
      );
      const { value, facts } = found;
      if (value !== null) {
        const none = { items: [], total: 0, instant: slice.instant };
        return new Map(holders.map((holder) => [holder, withFacts(value.get(holder) ?? none, facts)]));
      }
      this.#groups = false;
    }
    const pages = holders.map(async (holder) => {
      const page = await guard.read(
        call,
        { operation: 'sessions of a holder', key: key([holder]), type: 'ParkingSession' },
        async (signal) => {
          const answer = mapping.page(await api.get('/sessions', query([holder]), signal), mapping.session);
          await vehicles.remember(answer.items);
          return answer;
        },
      );
      return [holder, page] as const;
    });
    return new Map(await Promise.all(pages));
  }
}
