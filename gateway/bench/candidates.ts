/** Starts the processes that the bench compares: those of this checkout, and other gateways where they are installed. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { killOnExit } from '../../schema/database/embedded/on-exit.ts';
import type { Ready, Usage } from './candidate-process.ts';

export interface Candidate {
  readonly name: string;
  readonly port: number;
  /** Addresses of the subgraphs by name; empty for all candidates but `subgraphs`. */
  readonly urls: Readonly<Record<string, string>>;
  usage(): Promise<Usage>;
  stop(): void;
}

const THIS_FILE = fileURLToPath(import.meta.url);
const CANDIDATE_PROGRAM = THIS_FILE.replace(/candidates(\.[jt]s)$/, 'candidate-process$1');

export interface CandidateOptions {
  /** The kind's argument: the subgraphs' addresses as JSON for `http`, the first port for `subgraphs`. */
  readonly argument?: string;
  /** The program that runs the candidate; default: `candidate-process` of this checkout. */
  readonly program?: string;
  /** The candidate's name in the results; default: its kind. */
  readonly name?: string;
}

/** Starts a candidate of a kind that the program knows. Rejects if the process ends before it is ready. */
export async function startCandidate(
  kind: string,
  { argument = '', program = CANDIDATE_PROGRAM, name = kind }: CandidateOptions = {},
): Promise<Candidate> {
  const execArgv = program.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : [];
  const child = fork(program, [kind, argument], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  killOnExit(child, 'SIGKILL');
  const nextMessage = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`Candidate ${name} exited with code ${code}.`));
      child.once('exit', onExit);
      child.once('message', (message) => {
        child.off('exit', onExit);
        resolve(message as T);
      });
    });
  const ready = await nextMessage<Ready>();
  return {
    name,
    port: ready.port,
    urls: ready.urls ?? {},
    usage: () => {
      const usage = nextMessage<Usage>();
      child.send('used');
      return usage;
    },
    stop: () => void child.kill(),
  };
}

/** Programs of the folder given with --peers, laid out as docs/performance.md describes: `node gw.js NAME`, and Grafbase's. */
const PEERS: Readonly<Record<string, (folder: string, port: number) => ChildProcess>> = {
  ...Object.fromEntries(
    ['apollo-http', 'hive-http', 'hive-rust-http'].map((name) => [
      name,
      (folder: string, port: number) =>
        spawn(process.execPath, ['gw.js', name], {
          cwd: folder,
          env: { ...process.env, PORT: String(port) },
          stdio: 'ignore',
        }),
    ]),
  ),
  grafbase: (folder, port) =>
    spawn(
      join(folder, 'native/node_modules/@grafbase/cli-x86_64-unknown-linux-musl/grafbase'),
      ['--home', 'home', 'dev', '-c', 'grafbase.toml', '--listen-address', `127.0.0.1:${port}`],
      { cwd: join(folder, 'native/gb'), stdio: 'ignore' },
    ),
};
export const PEER_NAMES = Object.keys(PEERS);

/** Milliseconds between two attempts to reach a peer, and the number of attempts. */
const PEER_PAUSE = 200;
const PEER_ATTEMPTS = 150;

/** Starts a peer and waits until it responds to the request body `probe`; null when it does not within 30 s. */
export async function startPeer(name: string, folder: string, probe: string): Promise<Candidate | null> {
  const port = await freePort();
  const child = PEERS[name]?.(folder, port);
  if (!child) return null;
  killOnExit(child, 'SIGKILL');
  let hasEnded = false;
  child.once('error', () => {
    hasEnded = true;
  });
  child.once('exit', () => {
    hasEnded = true;
  });
  for (let attempt = 0; attempt < PEER_ATTEMPTS && !hasEnded; attempt++) {
    const isReady = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: probe,
    }).then(
      async (response) => (await response.text()).startsWith('{"data":{"company":{'),
      () => false,
    );
    if (isReady && child.pid !== undefined) {
      const { pid } = child;
      return { name, port, urls: {}, usage: async () => usageOf(pid), stop: () => void child.kill('SIGKILL') };
    }
    await new Promise((resolve) => setTimeout(resolve, PEER_PAUSE));
  }
  child.kill('SIGKILL');
  return null;
}

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on. */
function usageOf(pid: number): Usage {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { cpu: (Number(fields[11]) + Number(fields[12])) * 10_000, rss: pages * 4_096, requests: 0 };
}
