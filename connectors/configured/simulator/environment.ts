/** Simulates environment stations behind a REST API: one at each building, a new observation every minute. */
import type { Simulator } from '../../kit/testing/simulator.ts';
import { noise, serveJson } from './json-server.ts';

const KEY = 'environment-demo-key';
const MINUTE = 60_000;

export const simulator: Simulator = {
  name: 'environment',
  start: ({ directory, world, now, ports }) => {
    const sites = new Set(world.buildings.map(({ code }) => code));
    return serveJson({
      directory,
      port: ports?.['http'],
      base: '/api',
      env: (url) => ({ LAKESIDE_ENVIRONMENT_URL: url, LAKESIDE_ENVIRONMENT_KEY: KEY }),
      handle: ({ path, query, headers }) => {
        if (headers['x-api-key'] !== KEY) return { status: 401, body: { error: 'Unknown key.' } };
        if (path === '/status') return { status: 200, body: { ok: true } };
        const minute = Math.floor(now().getTime() / MINUTE);
        if (path === '/observations/latest') {
          const requested = (query.get('sites') ?? '').split(',').filter((site) => sites.has(site));
          if (requested.length > 200) return { status: 400, body: { error: 'At most 200 sites.' } };
          return { status: 200, body: { observations: requested.map((site) => observation(site, minute)) } };
        }
        const site = /^\/observations\/latest\/([^/]+)$/.exec(path)?.[1];
        if (site && sites.has(site)) return { status: 200, body: observation(site, minute) };
        return { status: 404, body: { error: 'Not found.' } };
      },
    });
  },
};

/** Plausible values that change slowly: a daily cycle, a level per site, and noise. */
function observation(site: string, minute: number) {
  const hour = ((minute / 60 + 8) % 24) + 0;
  const day = Math.sin(((hour - 9) / 24) * 2 * Math.PI);
  const own = noise(`${site} level`);
  const drift = (name: string, width: number) => (noise(`${site} ${name} ${Math.floor(minute / 10)}`) - 0.5) * width;
  const round = (value: number, digits = 1) => Number(value.toFixed(digits));
  return {
    site,
    station: `ES${Math.floor(noise(`${site} serial`) * 90_000 + 10_000)}`,
    observed: new Date(minute * MINUTE).toISOString(),
    particles: {
      pm2_5: round(22 + own * 25 - day * 6 + drift('pm25', 8)),
      pm10: round(40 + own * 40 - day * 9 + drift('pm10', 12)),
    },
    gases: {
      co2: round(430 + own * 40 + day * 25 + drift('co2', 10), 0),
      no2: round(18 + own * 14 + day * 6 + drift('no2', 5)),
    },
    sound: { laeq: round(48 + own * 8 + day * 6 + drift('sound', 4)) },
    weather: {
      temperature: round(19 + day * 5 + drift('heat', 0.8)),
      humidity: round(68 - day * 14 + drift('wet', 3), 0),
      wind: round(1.6 + day * 0.8 + own + drift('wind', 0.6)),
    },
  };
}
