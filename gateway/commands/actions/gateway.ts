/** `isthmus gateway`: serves the supergraph of a file, and reads the file again on a reload. */
import { readFileSync } from 'node:fs';
import { createLog } from '../../../connectors/kit/log.ts';
import { readEnvironment } from '../../environment.ts';
import type { Lifetime } from '../../ops/command-lifetime.ts';
import { keepHeapSmall } from '../../ops/garbage-collection.ts';
import { assertProtected, startStandaloneGateway } from '../../standalone-gateway.ts';
import { writeLine } from '../runner/command-runner.ts';
import { takeOwnPort } from './load-config.ts';

/** `deadline` in milliseconds for each operation. Resolves when the gateway is up, with what stops it. */
export async function serveSupergraph(
  { file, deadline, unprotected }: { file: string; deadline: number; unprotected: boolean },
  lifetime: Lifetime,
): Promise<() => Promise<void>> {
  const { host, port } = readEnvironment(process.env);
  assertProtected(host, unprotected);
  const gateway = await startStandaloneGateway({
    supergraph: readFileSync(file, 'utf8'),
    host,
    port,
    heldPort: await takeOwnPort('isthmus gateway'),
    unprotected,
    deadline,
    log: createLog(undefined, process.env['ISTHMUS_LOG'] ?? 'warn'),
  });
  keepHeapSmall();
  lifetime.onReload(() => {
    new Promise<void>((resolve) => resolve(gateway.reload(readFileSync(file, 'utf8')))).then(
      () => writeLine(`Applied ${file}.`),
      (error: unknown) =>
        writeLine(`Rejected ${file}, supergraph unchanged: ${error instanceof Error ? error.message : error}`),
    );
  });
  writeLine(`Gateway is ready at ${gateway.url}/graphql`);
  return () => gateway.stop();
}
