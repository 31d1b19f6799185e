/** The park's story as the controllers write it down: lines of the event log. */
import { type Moment, story, type World } from '../../kit/testing/park/index.ts';

/** One line, with the columns of `LINE` in tables.ts in their order. */
export interface LogLine {
  readonly at: Date;
  readonly values: readonly (string | number)[];
}

/** Event codes of the vendor's manual. */
const OPENED = 0;
const REFUSED = { 'no-right': 23, 'outside-hours': 22, expired: 29 } as const;
const HELD_OPEN = 28;
const SHUT = 201;
/** How the person showed who they are: by card only. */
const BY_CARD = 4;
const NOT_AT_ALL = 200;
/** A door that is held open says so half a minute after the swipe, and is shut soon after. */
const HELD_AFTER = 35_000;
const SHUT_AFTER = 55_000;

/** All lines with `from <= time < to`, in order of time. The controllers' clocks show whole seconds. */
export function* linesOf(world: World, from: Date, to: Date): Generator<LogLine> {
  const late: LogLine[] = [];
  const due = function* (until: number): Generator<LogLine> {
    late.sort((a, b) => a.at.getTime() - b.at.getTime());
    while (late[0] && late[0].at.getTime() <= until) yield late.shift() as LogLine;
  };
  const inside = (line: LogLine) => line.at >= from && line.at < to;
  for (const moment of story(world, new Date(from.getTime() - SHUT_AFTER), to)) {
    for (const line of due(moment.at.getTime())) if (inside(line)) yield line;
    if (moment.kind !== 'swipe') continue;
    const { swipe, after } = written(moment);
    if (inside(swipe)) yield swipe;
    late.push(...after);
  }
  for (const line of due(to.getTime())) if (inside(line)) yield line;
}

function written(moment: Extract<Moment, { kind: 'swipe' }>): { swipe: LogLine; after: LogLine[] } {
  const { at, door, person, granted, reason, direction } = moment;
  const controller = Number(door.building.slice(-2));
  const number = door.index + 1;
  const line = (time: Date, code: number, text: string, who: { pin: string; card: string } | null): LogLine => ({
    at: time,
    values: [
      ...[local(time), who?.pin ?? '', who?.card ?? '', controller, serialOf(controller), `C3-400 ${controller}`],
      ...[who ? BY_CARD : NOT_AT_ALL, who ? (direction === 'in' ? 0 : 1) : 2, code, text, 0, number, door.name],
    ],
  });
  const who = { pin: person.pin, card: person.cardNo };
  const swipe =
    granted || reason === null
      ? line(at, OPENED, 'Normal Punch Open', who)
      : line(at, REFUSED[reason], reason === 'no-right' ? 'Access Denied' : 'Illegal Time Zone', who);
  const held = granted && (person.index * 7 + Math.floor(at.getTime() / 1_000)) % 61 === 0;
  const later = (pause: number) => new Date(at.getTime() + pause);
  return {
    swipe,
    after: held
      ? [
          line(later(HELD_AFTER), HELD_OPEN, 'Opening Timeout', null),
          line(later(SHUT_AFTER), SHUT, 'Door Closed Correctly', null),
        ]
      : [],
  };
}

/** Serial number of a controller; one stands in each building. */
export const serialOf = (controller: number): string => `38201600${String(controller).padStart(4, '0')}`;

/** What the controllers' clocks show: Asia/Shanghai, eight hours ahead all year. */
export const local = (at: Date): string =>
  new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
