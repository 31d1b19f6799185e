/** Converts the park's scenario to lines of the controllers' event log. */
import { type Moment, scenario, type World } from '../../kit/testing/park/index.ts';

/** One line, with the columns of `LINE` in tables.ts in their order. */
export interface LogLine {
  readonly at: Date;
  readonly values: readonly (string | number)[];
}

/** Event codes of the vendor's manual. */
const NORMAL_OPEN = 0;
const DENIED_CODES = { 'no-right': 23, 'outside-hours': 22, expired: 29 } as const;
const HELD_OPEN = 28;
const DOOR_CLOSED = 201;
/** Value of `verified`: by card only, or not at all. */
const VERIFIED_BY_CARD = 4;
const NOT_VERIFIED = 200;
/** Milliseconds after the swipe at which a door that is held open is reported, and closed. */
const HELD_AFTER = 35_000;
const CLOSED_AFTER = 55_000;

/** All lines with `from <= time < to`, in order of time. The controllers' clocks have a resolution of one second. */
export function* logLines(world: World, from: Date, to: Date): Generator<LogLine> {
  const pending: LogLine[] = [];
  const due = function* (until: number): Generator<LogLine> {
    pending.sort((a, b) => a.at.getTime() - b.at.getTime());
    while (pending[0] && pending[0].at.getTime() <= until) yield pending.shift() as LogLine;
  };
  const isInRange = (line: LogLine) => line.at >= from && line.at < to;
  for (const moment of scenario(world, new Date(from.getTime() - CLOSED_AFTER), to)) {
    for (const line of due(moment.at.getTime())) if (isInRange(line)) yield line;
    if (moment.kind !== 'swipe') continue;
    const { swipe, after } = swipeLines(moment);
    if (isInRange(swipe)) yield swipe;
    pending.push(...after);
  }
  for (const line of due(to.getTime())) if (isInRange(line)) yield line;
}

function swipeLines(moment: Extract<Moment, { kind: 'swipe' }>): { swipe: LogLine; after: LogLine[] } {
  const { at, door, person, granted, reason, direction } = moment;
  const controller = Number(door.building.slice(-2));
  const number = door.index + 1;
  const line = (time: Date, code: number, text: string, holder: { pin: string; card: string } | null): LogLine => ({
    at: time,
    values: [
      ...[
        controllerTime(time),
        holder?.pin ?? '',
        holder?.card ?? '',
        controller,
        serialOf(controller),
        `C3-400 ${controller}`,
      ],
      ...[
        holder ? VERIFIED_BY_CARD : NOT_VERIFIED,
        holder ? (direction === 'in' ? 0 : 1) : 2,
        code,
        text,
        0,
        number,
        door.name,
      ],
    ],
  });
  const holder = { pin: person.pin, card: person.cardNo };
  const swipe =
    granted || reason === null
      ? line(at, NORMAL_OPEN, 'Normal Punch Open', holder)
      : line(at, DENIED_CODES[reason], reason === 'no-right' ? 'Access Denied' : 'Illegal Time Zone', holder);
  const heldOpen = granted && (person.index * 7 + Math.floor(at.getTime() / 1_000)) % 61 === 0;
  const later = (pause: number) => new Date(at.getTime() + pause);
  return {
    swipe,
    after: heldOpen
      ? [
          line(later(HELD_AFTER), HELD_OPEN, 'Opening Timeout', null),
          line(later(CLOSED_AFTER), DOOR_CLOSED, 'Door Closed Correctly', null),
        ]
      : [],
  };
}

/** Serial number of a controller; there is one per building. */
export const serialOf = (controller: number): string => `38201600${String(controller).padStart(4, '0')}`;

/** Local time of the controllers: Asia/Shanghai, UTC+8 all year. */
export const controllerTime = (at: Date): string =>
  new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
