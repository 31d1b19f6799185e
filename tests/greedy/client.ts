/** The greedy client, a process of its own: asks so many times a second until it is ended. */
import { Agent, request } from 'undici';

const [url = '', token = '', query = '', perSecond = '100'] = process.argv.slice(2);
const dispatcher = new Agent({ connections: 50, pipelining: 1 });
let sent = 0;
let refused = 0;
const began = Date.now();
const ask = async (): Promise<void> => {
  const answer = await request(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
    dispatcher,
  });
  if ((await answer.body.text()).includes('LIMIT_RATE')) refused += 1;
};
const timer = setInterval(() => {
  const due = ((Date.now() - began) / 1000) * Number(perSecond);
  for (; sent < due; sent++) void ask().catch(() => undefined);
}, 20);
process.on('SIGTERM', () => {
  clearInterval(timer);
  process.stdout.write(`${JSON.stringify({ sent, refused })}\n`);
  process.exit(0);
});
