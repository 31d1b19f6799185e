/** Sessions by permit holder, one page per company. */
import type { Call } from '../../kit/call.ts';
import type { Sourced } from '../../kit/connector.ts';
import type { Guard } from '../../kit/guard/guard-types.ts';
import { sourced } from '../../kit/provenance.ts';
import * as mapping from '../mapping/index.ts';
import type { Session } from '../model.ts';
import type { ParkingApi, Query } from './parking-api.ts';
import type { SessionSlice, SliceResult } from './result-types.ts';
import type { Vehicles } from './vehicles.ts';

export interface HolderSessionsDependencies {
  readonly guard: Guard;
  readonly api: ParkingApi;
  readonly vehicles: Vehicles;
}

export class HolderSessions {
  readonly #dependencies: HolderSessionsDependencies;
  /** Whether the vendor supports `group_by`; set to false by the first response without groups. */
  #supportsGrouping = true;

  constructor(parts: HolderSessionsDependencies) {
    this.#dependencies = parts;
  }

  /** One page per holder: in one call if the vendor supports `group_by`, else one call per holder, limited by the guard. */
  async pages(
    call: Call,
    holders: readonly string[],
    slice: SessionSlice,
  ): Promise<ReadonlyMap<string, Sourced<SliceResult<Session>>>> {
    const { guard, api, vehicles } = this.#dependencies;
    const query = (requested: readonly string[]): Query => ({
      credential_class: 'CustomerCredential',
      credential_id: requested,
      expand: ['credentials', 'segments', 'segments.financialTransactions'],
      offset: slice.offset,
      page_size: slice.size,
      ...(slice.instant === null ? {} : { reference_instant: slice.instant }),
      ...(slice.from === null ? {} : { start_after: mapping.floorSeconds(slice.from) }),
      ...(slice.to === null ? {} : { start_before: mapping.ceilSeconds(slice.to) }),
    });
    const key = (requested: readonly string[]) => JSON.stringify([[...requested].sort(), slice]);
    if (holders.length > 1 && this.#supportsGrouping) {
      const found = await guard.read(
        call,
        { operation: 'sessions of holders', key: key(holders), type: 'ParkingSession' },
        async (signal) => {
          const body = await api.get('/sessions', { ...query(holders), group_by: 'credential' }, signal);
          const groups = mapping.groups(body, mapping.session);
          await vehicles.save([...(groups?.values() ?? [])].flatMap((page) => page.items));
          return groups;
        },
      );
      const { value, facts } = found;
      if (value !== null) {
        const empty = { items: [], total: 0, instant: slice.instant };
        return new Map(holders.map((holder) => [holder, sourced(value.get(holder) ?? empty, facts)]));
      }
      this.#supportsGrouping = false;
    }
    const pages = holders.map(async (holder) => {
      const page = await guard.read(
        call,
        { operation: 'sessions of a holder', key: key([holder]), type: 'ParkingSession' },
        async (signal) => {
          const found = mapping.page(await api.get('/sessions', query([holder]), signal), mapping.session);
          await vehicles.save(found.items);
          return found;
        },
      );
      return [holder, page] as const;
    });
    return new Map(await Promise.all(pages));
  }
}
