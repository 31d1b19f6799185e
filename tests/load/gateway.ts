/**
 * `isthmus gateway` under half an hour of mixed load: `npm run load:gateway [minutes] [share]`. Five subgraphs in a separate process;
 * bench operations, new operations, invalid ones and clients that disconnect, paced so that the gateway uses about
 * `share` of one core. Prints its memory at the start, in the middle and at the end; exits with 1 if memory grew or a response was wrong.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCandidate } from '../../gateway/bench/candidates.ts';
import { BODIES, benchSubgraphs, QUERIES } from '../../gateway/bench/workload.ts';
import { compose } from '../../schema/compose.ts';
import { freePort } from '../../schema/database/embedded/free-port.ts';

const minutes = Number(process.argv[2] ?? 30);
const share = Number(process.argv[3] ?? 0.1);
/** Share of the run that is warm-up; memory is compared after it. */
const WARM = 0.1;
/** Allowed ratio of memory at the end to memory after warm-up; garbage not yet collected varies between samples. */
const GROWTH = 1.15;

const print = (text: string) => void process.stdout.write(`${text}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const folder = mkdtempSync(join(tmpdir(), 'isthmus-load-'));
const file = join(folder, 'supergraph.graphql');
const subgraphs = await startCandidate('subgraphs', { argument: '0' });
const { supergraph } = compose(
  benchSubgraphs().map(({ name, sdl }) => ({ name, sdl, url: subgraphs.urls[name] ?? '' })),
);
writeFileSync(file, supergraph);
const port = await freePort();
const root = join(import.meta.dirname, '..', '..');
const gateway = spawn(process.execPath, [join(root, 'bin', 'isthmus.js'), 'gateway'], {
  env: { ...process.env, SUPERGRAPH: file, PORT: String(port), HOST: '127.0.0.1' },
  stdio: ['ignore', 'ignore', 'inherit'],
});
const url = `http://127.0.0.1:${port}/graphql`;
/** Ends all started processes, however the run ends. */
const cleanUp = (): void => {
  gateway.kill();
  subgraphs.stop();
  rmSync(folder, { recursive: true, force: true });
};
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(code);
  });
}

/** RSS in MB, and CPU seconds used. */
function used(): { rss: number; cpu: number } {
  const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
  const fields = readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return {
    rss: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024,
    cpu: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

async function post(body: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return { status: answer.status, text: await answer.text() };
}

const counts = { known: 0, new: 0, faulty: 0, left: 0, reloads: 0, wrong: 0 };
const reportWrong = (what: string, answer: { status: number; text: string }): void => {
  counts.wrong++;
  if (counts.wrong <= 5) print(`WRONG RESPONSE to ${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
};
const isComplete = ({ status, text }: { status: number; text: string }): boolean =>
  status === 200 && text.startsWith('{"data":{') && !text.includes('"errors"');

/** A client that disconnects before it gets a response. */
const disconnectEarly = (body: string): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(
        `POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        () => setImmediate(() => socket.destroy()),
      );
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });

/** One request of the mix; `turn` is its number. */
async function step(turn: number): Promise<void> {
  const pick = (bodies: readonly string[]) => bodies[turn % bodies.length] as string;
  if (turn % 50 === 49) {
    counts.new++;
    const query = QUERIES.Q2.replace('Q2', `New${turn}`).replace('id name', `id n${turn}: name`);
    const answer = await post(JSON.stringify({ query, variables: { id: `c${turn % 100}` } }));
    if (!isComplete(answer) || !answer.text.includes(`"n${turn}":`)) reportWrong('a new operation', answer);
  } else if (turn % 50 === 24) {
    counts.faulty++;
    const answer = await post(JSON.stringify({ query: `{ company(id: "c1") { no${turn} } }` }));
    if (!answer.text.includes('GRAPHQL_VALIDATION_FAILED')) reportWrong('an invalid operation', answer);
  } else if (turn % 50 === 12) {
    counts.left++;
    await disconnectEarly(pick(BODIES.Q3));
  } else {
    counts.known++;
    const kind = turn % 10 === 0 ? 'Q3' : turn % 3 === 0 ? 'Q2' : 'Q1';
    const answer = await post(pick(BODIES[kind]));
    if (!isComplete(answer)) reportWrong(kind, answer);
  }
}

try {
  for (let i = 0; (await post(BODIES.Q1[0] as string).then(isComplete, () => false)) === false; i++) {
    if (i > 300 || gateway.exitCode !== null) throw new Error('isthmus gateway did not respond within 30 s.');
    await sleep(100);
  }
  const first = used();
  print(`isthmus gateway after its first response: ${first.rss.toFixed(0)} MB`);
  const began = performance.now();
  const length = minutes * 60_000;
  const looks: { at: number; rss: number }[] = [];
  let [turn, pause, look, reload] = [0, 5, 0, 1];
  let before = { cpu: first.cpu, at: began };
  while (performance.now() - began < length) {
    await Promise.all(Array.from({ length: 8 }, () => step(turn++)));
    await sleep(pause);
    const now = performance.now();
    // Adjust the pace: slower if the gateway used more than its share of the last second, faster if less.
    if (now - before.at > 1_000) {
      const { cpu } = used();
      pause = Math.min(
        500,
        Math.max(1, pause * ((cpu - before.cpu) / ((now - before.at) / 1_000) > share ? 1.2 : 0.9)),
      );
      before = { cpu, at: now };
    }
    if (now - began > (length / 60) * look) {
      look++;
      const { rss, cpu } = used();
      looks.push({ at: (now - began) / length, rss });
      const summary = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
      print(
        `${((now - began) / 60_000).toFixed(1)} min: ${rss.toFixed(0)} MB, ${cpu.toFixed(0)} s CPU; ${summary.join(', ')}`,
      );
    }
    // Reload the supergraph ten times during the run.
    if (now - began > (length / 10) * reload) {
      reload++;
      counts.reloads++;
      gateway.kill('SIGHUP');
    }
  }
  const middleOf = (from: number, to: number): number => {
    const all = looks.filter(({ at }) => at >= from && at < to).map(({ rss }) => rss);
    return all.sort((a, b) => a - b)[all.length >> 1] ?? Number.NaN;
  };
  const [start, middle, end] = [middleOf(WARM, WARM + 0.15), middleOf(0.425, 0.575), middleOf(0.85, 1.01)];
  const peak = Math.max(...looks.map(({ rss }) => rss));
  const within = end <= start * GROWTH;
  print(
    `RSS after warm-up ${start.toFixed(0)} MB, middle ${middle.toFixed(0)} MB, end ${end.toFixed(0)} MB, peak ${peak.toFixed(0)} MB: the end is ${within ? 'within' : 'ABOVE'} ${GROWTH} times the value after warm-up`,
  );
  const { cpu } = used();
  print(
    `${turn} requests, ${counts.wrong} wrong; ${(cpu - first.cpu).toFixed(0)} s CPU in ${minutes} min, ${counts.reloads} reloads`,
  );
  if (!within || counts.wrong > 0) process.exitCode = 1;
} finally {
  cleanUp();
}
process.exit();
