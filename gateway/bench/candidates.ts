/** The processes that the bench compares: ours, and peers where they are installed. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../schema/database/embedded/free-port.ts';
import { endOnExit } from '../../schema/database/on-exit.ts';
import type { Ready, Used } from './candidate-process.ts';

export interface Candidate {
  readonly name: string;
  readonly port: number;
  /** What a subgraph process tells of its addresses. */
  readonly urls: Readonly<Record<string, string>>;
  used(): Promise<Used>;
  stop(): void;
}

const HERE = fileURLToPath(import.meta.url);
const SERVE = HERE.replace(/candidates(\.[jt]s)$/, 'candidate-process$1');

/** Starts one of `serve.ts`. */
export async function ours(name: string, argument = ''): Promise<Candidate> {
  const execArgv = SERVE.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : [];
  const child = fork(SERVE, [name, argument], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  endOnExit(child, 'SIGKILL');
  const told = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`The candidate ${name} ended with code ${code}.`));
      child.once('exit', ended);
      child.once('message', (message) => {
        child.off('exit', ended);
        resolve(message as T);
      });
    });
  const ready = await told<Ready>();
  return {
    name,
    port: ready.port,
    urls: ready.urls ?? {},
    used: () => {
      const answer = told<Used>();
      child.send('used');
      return answer;
    },
    stop: () => void child.kill(),
  };
}

/** Programs of a folder laid out as the README of docs/performance.md says: `node gw.js NAME`, and Grafbase's. */
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

/** Starts a peer and waits until it answers `probe`; null when it does not within half a minute. */
export async function peer(name: string, folder: string, probe: string): Promise<Candidate | null> {
  const port = await freePort();
  const child = PEERS[name]?.(folder, port);
  if (!child) return null;
  endOnExit(child, 'SIGKILL');
  let gone = false;
  child.once('error', () => {
    gone = true;
  });
  child.once('exit', () => {
    gone = true;
  });
  for (let tries = 0; tries < 150 && !gone; tries++) {
    const sound = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: probe,
    }).then(
      async (answer) => (await answer.text()).startsWith('{"data":{"company":{'),
      () => false,
    );
    if (sound && child.pid !== undefined) {
      const { pid } = child;
      return { name, port, urls: {}, used: async () => usedBy(pid), stop: () => void child.kill('SIGKILL') };
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  child.kill('SIGKILL');
  return null;
}

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on. */
function usedBy(pid: number): Used {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { cpu: (Number(fields[11]) + Number(fields[12])) * 10_000, rss: pages * 4_096, requests: 0 };
}
