/** The installations that the caller may see, as resolvers use them. */
import { mayAccessPark } from '../auth/principal.ts';
import type { Call } from '../call.ts';
import type { InstallationConfig } from '../config/config.ts';
import type { InstallationHandle, Installations, OpenedSource } from '../connector.ts';
import { unavailable } from '../errors.ts';
import type { CandidateInstallation, KnownInstallations } from './known-installations.ts';

/** The part of an installation of this process that requests use. */
export interface HostedInstallation extends CandidateInstallation {
  readonly config: InstallationConfig;
  /** Null: not open. */
  readonly opened: OpenedSource | null;
}

/** The installations that the caller may see, for one request. An installation's request object is created at first use. */
export function visibleInstallations(
  hosted: ReadonlyMap<string, HostedInstallation>,
  call: Call,
  known: KnownInstallations,
): Installations<object> {
  const handles = new Map<string, InstallationHandle<object>>();
  const handleOf = ({ config: { id, park }, opened }: HostedInstallation): InstallationHandle<object> => {
    let handle = handles.get(id);
    if (!handle) {
      let source: object | null = null;
      handle = {
        id,
        park,
        get source() {
          if (!opened) {
            const error = unavailable('the installation is not open');
            error.source = id;
            throw error;
          }
          source ??= opened.request(call);
          return source;
        },
      };
      handles.set(id, handle);
    }
    return handle;
  };
  // Row rights by park, for all connectors. The hub's own records belong to no park.
  const ifVisible = (installation: HostedInstallation | undefined): HostedInstallation | undefined =>
    installation && (installation.config.connector === 'hub' || mayAccessPark(call.principal, installation.config.park))
      ? installation
      : undefined;
  const visible = (park?: string): HostedInstallation[] =>
    [...hosted.values()].filter(
      (installation) => ifVisible(installation) && (park === undefined || installation.config.park === park),
    );
  return {
    all: (park) => visible(park).map(handleOf),
    knowing: async (entity, key) => {
      const candidates = visible();
      const { asked, others, absentIn } = await known.choose(call, entity, key, candidates);
      const handles = (ids: ReadonlySet<string>) => candidates.filter(({ config }) => ids.has(config.id)).map(handleOf);
      return { asked: handles(asked), others: handles(others), absentIn };
    },
    byId: (id) => {
      const installation = ifVisible(hosted.get(id));
      return installation && handleOf(installation);
    },
    byGlobalId: (globalId) => {
      const colon = globalId.indexOf(':');
      const installation = colon > 0 ? ifVisible(hosted.get(globalId.slice(0, colon))) : undefined;
      if (!installation) return undefined;
      const handle = handleOf(installation);
      return {
        id: handle.id,
        park: handle.park,
        local: globalId.slice(colon + 1),
        get source() {
          return handle.source;
        },
      };
    },
  };
}
