/** The installations that one caller may see, as resolvers get them. */

import { mayPark } from '../auth/principal.ts';
import type { InstallationConfig } from '../config/config.ts';
import type { Call, Installations, Installed, Opened } from '../connector.ts';
import { unavailable } from '../errors.ts';

/** One installation of this process, as far as a request looks at it. */
export interface Place {
  readonly config: InstallationConfig;
  /** Null: it could not be opened. */
  readonly opened: Opened | null;
}

/** Those that the caller may see, for one request: each one's request object is made at first use. */
export function visible(places: ReadonlyMap<string, Place>, call: Call): Installations<object> {
  const made = new Map<string, Installed<object>>();
  const of = (place: Place): Installed<object> => {
    let one = made.get(place.config.id);
    if (!one) {
      let source: object | null = null;
      one = {
        id: place.config.id,
        park: place.config.park,
        get source() {
          if (!place.opened) {
            const fault = unavailable('the installation could not be opened');
            fault.source = place.config.id;
            throw fault;
          }
          source ??= place.opened.request(call);
          return source;
        },
      };
      made.set(place.config.id, one);
    }
    return one;
  };
  // Row rights over parks, once for all connectors; the hub's own records belong to no park.
  const seen = (place: Place | undefined): Place | undefined =>
    place && (place.config.connector === 'hub' || mayPark(call.principal, place.config.park)) ? place : undefined;
  return {
    all: (park) =>
      [...places.values()].filter((place) => seen(place) && (park === undefined || place.config.park === park)).map(of),
    byId: (id) => {
      const place = seen(places.get(id));
      return place && of(place);
    },
    owner: (globalId) => {
      const colon = globalId.indexOf(':');
      const place = colon > 0 ? seen(places.get(globalId.slice(0, colon))) : undefined;
      if (!place) return undefined;
      const one = of(place);
      return {
        id: one.id,
        park: one.park,
        local: globalId.slice(colon + 1),
        get source() {
          return one.source;
        },
      };
    },
  };
}
