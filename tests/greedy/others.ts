/** Four ordinary callers, a process of their own: each asks four times a second while it is told to, and says how long it waited. */
import { Agent, request } from 'undici';

export interface OthersTold {
  readonly url: string;
  readonly tokens: readonly string[];
  readonly queries: readonly string[];
  /** How long they ask, in seconds. */
  readonly seconds: number;
}

/** Milliseconds of each answer, and how many were not whole. */
export interface OthersSaid {
  readonly times: readonly number[];
  readonly faults: readonly string[];
}

const EVERY = 250;
const dispatcher = new Agent({ connections: 8, pipelining: 1 });
let asked = 0;

async function ask({ url, queries }: OthersTold, token: string): Promise<{ time: number; fault: string | null }> {
  const query = queries[(asked++ * 7) % queries.length] ?? '';
  const started = performance.now();
  const answer = await request(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
    dispatcher,
  });
  const text = await answer.body.text();
  const time = performance.now() - started;
  return { time, fault: text.includes('"errors"') ? text.slice(0, 300) : null };
}

process.on('message', async (told: OthersTold) => {
  const times: number[] = [];
  const faults: string[] = [];
  const end = performance.now() + told.seconds * 1_000;
  await Promise.all(
    told.tokens.map(async (token, n) => {
      // Not all at the same moment.
      await new Promise((resolve) => setTimeout(resolve, (EVERY * n) / told.tokens.length));
      while (performance.now() < end) {
        const { time, fault } = await ask(told, token);
        times.push(time);
        if (fault !== null) faults.push(fault);
        await new Promise((resolve) => setTimeout(resolve, Math.max(EVERY - time, 0)));
      }
    }),
  );
  const said: OthersSaid = { times, faults };
  process.send?.(said);
});
process.on('disconnect', () => process.exit(0));
