/** Simulates a service desk with the API of Open311 GeoReport v2: orders are reported, worked on and closed. */
import type { World } from '../../kit/testing/park/index.ts';
import type { Simulator } from '../../kit/testing/simulator.ts';
import { noise, serveJson } from './json-server.ts';

const KINDS = [
  ['LIFT', 'Lift does not run', '物业工程部 Facility engineering'],
  ['LIGHT', 'Light is out', '物业工程部 Facility engineering'],
  ['HVAC', 'Too warm or too cold', '暖通班 Heating and cooling'],
  ['WATER', 'Water leaks', '给排水班 Plumbing'],
  ['CLEAN', 'Cleaning', '保洁部 Cleaning'],
  ['LOCK', 'Door or lock', '安保部 Security'],
] as const;
/** Milliseconds between two orders. Each is open for up to a day. */
const ORDER_INTERVAL = 20 * 60_000;
const LIVE_ORDER_INTERVAL = 60_000;
const DAY = 86_400_000;

interface Order {
  readonly id: string;
  readonly reported: number;
  readonly closed: number;
  readonly kind: (typeof KINDS)[number];
  readonly building: string;
  readonly company: string | null;
}

export const simulator: Simulator = {
  name: 'work-orders',
  start: ({ directory, world, now, ports, live }) =>
    serveJson({
      directory,
      port: ports?.['http'],
      base: '/open311/v2',
      env: (url) => ({ LAKESIDE_WORK_ORDERS_URL: url }),
      handle: ({ path, query }) => {
        if (path === '/services.json') {
          return { status: 200, body: KINDS.map(([code, name]) => ({ service_code: code, service_name: name })) };
        }
        const time = now().getTime();
        const all = orders(world, time, live ? LIVE_ORDER_INTERVAL : ORDER_INTERVAL);
        const id = /^\/requests\/([^/]+)\.json$/.exec(path)?.[1];
        if (id) {
          const found = all.filter((order) => order.id === id);
          return found.length > 0
            ? { status: 200, body: found.map((order) => presentOrder(order, time)) }
            : { status: 404, body: [] };
        }
        if (path !== '/requests.json') return { status: 404, body: [{ code: 404, description: 'Not found.' }] };
        const listOf = (name: string) => query.get(name)?.split(',');
        const ids = listOf('service_request_id');
        const places = listOf('address_id');
        const status = query.get('status');
        const found = all
          .filter((order) => (!ids || ids.includes(order.id)) && (!places || places.includes(order.building)))
          .map((order) => presentOrder(order, time))
          .filter((order) => !status || order.status === status);
        return { status: 200, body: found };
      },
    }),
};

/** The orders of the last two days, newest first. With `LIVE_ORDER_INTERVAL` those of the last hour have that interval. */
function orders(world: World, time: number, interval: number): Order[] {
  const found: Order[] = [];
  const add = (step: number, from: number) => {
    for (let n = Math.floor(time / step); n * step > from; n--) {
      const seed = `order ${step} ${n}`;
      const building = world.buildings[Math.floor(noise(`${seed} place`) * world.buildings.length)];
      const company = world.companies[Math.floor(noise(`${seed} firm`) * world.companies.length)];
      const reported = n * step;
      found.push({
        id: `SR${(n * step) / 1000}`,
        reported,
        closed: reported + (0.1 + noise(`${seed} length`)) * (step === LIVE_ORDER_INTERVAL ? DAY / 72 : DAY),
        kind: KINDS[Math.floor(noise(`${seed} kind`) * KINDS.length)] ?? KINDS[0],
        building: building?.code ?? '',
        company: noise(`${seed} who`) < 0.6 ? (company?.uscc ?? null) : null,
      });
    }
  };
  const liveFrom = interval === LIVE_ORDER_INTERVAL ? time - 3_600_000 : time;
  if (interval === LIVE_ORDER_INTERVAL) add(LIVE_ORDER_INTERVAL, liveFrom);
  const liveCount = found.length;
  add(ORDER_INTERVAL, time - 2 * DAY);
  const seen = new Set(found.slice(0, liveCount).map(({ id }) => id));
  return [
    ...found.slice(0, liveCount),
    ...found.slice(liveCount).filter(({ id, reported }) => reported <= liveFrom && !seen.has(id)),
  ];
}

function presentOrder(order: Order, time: number) {
  const [code, name, agency] = order.kind;
  const isDone = time >= order.closed;
  const workStart = order.reported + 5 * 60_000;
  return {
    service_request_id: order.id,
    status: isDone ? 'closed' : 'open',
    status_notes: isDone ? 'Done.' : time > workStart ? 'Somebody is on the way.' : null,
    service_code: code,
    service_name: name,
    description: `${name}, ${order.building}`,
    agency_responsible: agency,
    requested_datetime: new Date(order.reported).toISOString(),
    updated_datetime: new Date(isDone ? order.closed : time > workStart ? workStart : order.reported).toISOString(),
    expected_datetime: new Date(order.reported + DAY).toISOString(),
    address_id: order.building,
    account_id: order.company,
  };
}
