/** The other processes of a demo, which start while the hub loads its modules: the simulators and the embedded PostgreSQL. */
import { join } from 'node:path';
import { printStep } from '../../../bin/progress.js';
import type { Simulators } from '../../../connectors/simulators.ts';
import type { EmbeddedCluster } from '../../../schema/database/embedded/embedded-postgres.ts';
import type { GatewaySettings } from '../../environment.ts';

export class StartupProcesses {
  /** Rejects if the start of one failed or was aborted; the others are stopped by then. */
  readonly simulators: Promise<Simulators>;
  /** Undefined: the database is an external one. */
  readonly cluster: Promise<EmbeddedCluster> | undefined;

  private constructor(simulators: Promise<Simulators>, cluster: Promise<EmbeddedCluster> | undefined) {
    this.simulators = simulators;
    this.cluster = cluster;
    // Both are awaited later; until then a rejection is not an unhandled one.
    simulators.catch(() => undefined);
    cluster?.catch(() => undefined);
  }

  /**
   * Starts the processes. Waits for PostgreSQL's first step only, since loading modules keeps this process from taking further ones. The
   * signal aborts their start.
   */
  static async start(settings: GatewaySettings, signal: AbortSignal): Promise<StartupProcesses> {
    const { data, databaseUrl } = settings;
    const { startSimulators } = await import('../../../connectors/simulators.ts');
    const { startEmbeddedPostgres } = await import('../../../schema/database/embedded/embedded-postgres.ts');
    const simulators = startSimulators({
      data,
      withParent: true,
      signal,
      progress: (text) => printStep('simulators', text),
    });
    if (databaseUrl !== null) return new StartupProcesses(simulators, undefined);
    let firstStep = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      firstStep = resolve;
    });
    const cluster = startEmbeddedPostgres({
      directory: join(data, 'database'),
      signal,
      onProgress: (text) => {
        printStep('database', text);
        firstStep();
      },
    });
    const processes = new StartupProcesses(simulators, cluster);
    await Promise.race([begun, cluster.catch(() => undefined)]);
    return processes;
  }

  /** Waits until both have started or failed, and stops what has started. Stopping twice has no effect. */
  async stop(): Promise<void> {
    const [simulators, cluster] = await Promise.allSettled([this.simulators, this.cluster]);
    await Promise.all([
      simulators.status === 'fulfilled' ? simulators.value.stop() : null,
      cluster.status === 'fulfilled' ? cluster.value?.stop() : null,
    ]);
  }
}
