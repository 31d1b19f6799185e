/** What is asked of the vendor's tables: one SELECT each, read only, portable between PostgreSQL, MariaDB and SQL Server. */
import { DENIED, GRANTED, STATE_CODES } from '../mapping.ts';

/** A statement with its values. */
export interface Statement {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

const codes = (list: readonly number[]): string => list.join(', ');
export const PASSAGES = codes([...GRANTED, ...DENIED]);
const marks = (list: readonly unknown[]): string => list.map(() => '?').join(', ');

/** A line of the log with the card's own id. The scalar subquery cannot double a line when a card was issued twice. */
const LINE = `l."id" AS "id", l."time" AS "time", l."pin" AS "pin", l."card_no" AS "card_no", l."device_id" AS "device_id",
  l."verified" AS "verified", l."state" AS "state", l."event_type" AS "event_type", l."description" AS "description",
  l."event_point_type" AS "event_point_type", l."event_point_id" AS "event_point_id",
  (SELECT MAX(c."id") FROM "personnel_issuecard" c WHERE c."cardno" = l."card_no") AS "badge"`;

const HOLDER = `LEFT JOIN "USERINFO" u ON u."Badgenumber" = l."pin" LEFT JOIN "DEPARTMENTS" d ON d."DEPTID" = u."DEFAULTDEPTID"`;
const PLACE = `LEFT JOIN "acc_device" v ON v."id" = o."device_id" LEFT JOIN "personnel_area" a ON a."id" = v."area_id"`;

export const ping: Statement = {
  sql: 'SELECT l."id" AS "id" FROM "acc_monitor_log" l WHERE l."id" < 0',
  values: [],
};

/** All doors with their areas' codes. */
export const doors: Statement = {
  sql: `SELECT o."id" AS "id", o."door_name" AS "door_name", o."device_id" AS "device_id", a."areaid" AS "area"
    FROM "acc_door" o ${PLACE} ORDER BY o."id"`,
  values: [],
};

const BADGE = `c."id" AS "id", c."isvalid" AS "isvalid", c."cardstatus" AS "cardstatus",
  u."Badgenumber" AS "pin", u."name" AS "name", d."uscc" AS "uscc"`;
const BADGES = `FROM "personnel_issuecard" c LEFT JOIN "USERINFO" u ON u."USERID" = c."UserID_id"
  LEFT JOIN "DEPARTMENTS" d ON d."DEPTID" = u."DEFAULTDEPTID"`;
const ACTIVE = `(c."isvalid" = 1 AND (c."cardstatus" IS NULL OR c."cardstatus" IN ('', '1')))`;

export const badges = (numbers: readonly number[]): Statement => ({
  sql: `SELECT ${BADGE} ${BADGES} WHERE c."id" IN (${marks(numbers)})`,
  values: numbers,
});

export interface BadgePage {
  readonly forward: boolean;
  readonly limit: number;
  /** Number of the badge to go on from (exclusive). */
  readonly after: number | null;
  readonly active: boolean | null;
}

const activeIs = (active: boolean | null): string =>
  active === null ? '' : active ? `AND ${ACTIVE}` : `AND NOT ${ACTIVE}`;

/** One page for each of N companies, in reading direction. */
export function badgesOf(companies: readonly string[], page: BadgePage): Statement {
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  const beyond = page.after === null ? '' : `AND c."id" ${compare} ?`;
  return {
    sql: `SELECT * FROM (SELECT ${BADGE}, ROW_NUMBER() OVER (PARTITION BY d."uscc" ORDER BY c."id" ${order}) AS "n"
      ${BADGES} WHERE d."uscc" IN (${marks(companies)}) ${activeIs(page.active)} ${beyond}) x
      WHERE x."n" <= ? ORDER BY x."uscc", x."n"`,
    values: [...companies, ...(page.after === null ? [] : [page.after]), page.limit],
  };
}

export const badgeCounts = (companies: readonly string[], active: boolean | null): Statement => ({
  sql: `SELECT d."uscc" AS "uscc", COUNT(*) AS "n" ${BADGES}
    WHERE d."uscc" IN (${marks(companies)}) ${activeIs(active)} GROUP BY d."uscc"`,
  values: companies,
});

/** Bounds in a controller's own local time. */
export interface LocalSpan {
  readonly from: string | null;
  readonly to: string | null;
}

function within(span: LocalSpan, values: (string | number)[]): string {
  let test = '';
  if (span.from !== null) {
    test += ' AND l."time" >= ?';
    values.push(span.from);
  }
  if (span.to !== null) {
    test += ' AND l."time" < ?';
    values.push(span.to);
  }
  return test;
}

export interface PassagePage extends LocalSpan {
  readonly forward: boolean;
  readonly limit: number;
  /** Local time and number of the line to go on from (exclusive). */
  readonly after: readonly [string, number] | null;
}

/** One page of each of N doors' logs: one statement, each part served by an index on door and time. */
export function passagesOf(doorNumbers: readonly number[], page: PassagePage): Statement {
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  const values: (string | number)[] = [];
  const parts = doorNumbers.map((door, i) => {
    values.push(door);
    let test = within(page, values);
    if (page.after !== null) {
      test += ` AND (l."time" ${compare} ? OR (l."time" = ? AND l."id" ${compare} ?))`;
      values.push(page.after[0], page.after[0], page.after[1]);
    }
    return `SELECT * FROM (SELECT ${LINE} FROM "acc_monitor_log" l WHERE l."event_point_id" = ? AND l."event_point_type" = 0
      AND l."event_type" IN (${PASSAGES}) ${test} ORDER BY l."time" ${order}, l."id" ${order} {limit ${page.limit}}) p${i}`;
  });
  return { sql: parts.join(' UNION ALL '), values };
}

export function passageCounts(doorNumbers: readonly number[], span: LocalSpan): Statement {
  const values: (string | number)[] = [...doorNumbers];
  const test = within(span, values);
  return {
    sql: `SELECT l."event_point_id" AS "door", COUNT(*) AS "n" FROM "acc_monitor_log" l
      WHERE l."event_point_id" IN (${marks(doorNumbers)}) AND l."event_point_type" = 0 AND l."event_type" IN (${PASSAGES}) ${test}
      GROUP BY l."event_point_id"`,
    values,
  };
}

/** The last line of each of N doors that told its state, no older than the given local time. */
export const conditions = (doorNumbers: readonly number[], since: string): Statement => ({
  sql: `SELECT x."door" AS "door", x."event_type" AS "event_type" FROM (
      SELECT l."event_point_id" AS "door", l."event_type" AS "event_type",
        ROW_NUMBER() OVER (PARTITION BY l."event_point_id" ORDER BY l."time" DESC, l."id" DESC) AS "n"
      FROM "acc_monitor_log" l WHERE l."event_point_id" IN (${marks(doorNumbers)}) AND l."event_point_type" = 0
        AND l."time" >= ? AND l."event_type" IN (${codes(STATE_CODES)})) x WHERE x."n" = 1`,
  values: [...doorNumbers, since],
});

/** The last try of each of N cards. */
export function lastPassages(badgeNumbers: readonly number[]): Statement {
  const parts = badgeNumbers.map(
    (number, i) => `SELECT * FROM (SELECT ${Math.trunc(number)} AS "wanted", ${LINE} FROM "acc_monitor_log" l
      WHERE l."card_no" = (SELECT w."cardno" FROM "personnel_issuecard" w WHERE w."id" = ?) AND l."card_no" <> ''
      AND l."event_type" IN (${PASSAGES}) ORDER BY l."time" DESC, l."id" DESC {limit 1}) p${i}`,
  );
  return { sql: parts.join(' UNION ALL '), values: badgeNumbers };
}

/**
 * Each person's last granted swipe since that local time; of all, or of some companies. One range of the vendor's own key, which
 * begins with the time: other indexes may not be there.
 */
export function sightings(since: string, companies: readonly string[] | null): Statement {
  const people =
    companies === null
      ? `l."pin" <> ''`
      : `l."pin" IN (SELECT s."Badgenumber" FROM "USERINFO" s JOIN "DEPARTMENTS" t ON t."DEPTID" = s."DEFAULTDEPTID"
          WHERE t."uscc" IN (${marks(companies)}))`;
  return {
    sql: `SELECT x."time" AS "time", x."device_id" AS "device_id", x."state" AS "state", x."pin" AS "pin",
        u."name" AS "name", d."uscc" AS "uscc", a."areaid" AS "area" FROM (
      SELECT l."time" AS "time", l."device_id" AS "device_id", l."state" AS "state", l."pin" AS "pin", l."event_point_id" AS "door",
        ROW_NUMBER() OVER (PARTITION BY l."pin" ORDER BY l."time" DESC, l."id" DESC) AS "n"
      FROM "acc_monitor_log" l WHERE l."time" >= ? AND l."event_type" IN (${codes(GRANTED)}) AND l."state" IN (0, 1) AND ${people}) x
      LEFT JOIN "USERINFO" u ON u."Badgenumber" = x."pin" LEFT JOIN "DEPARTMENTS" d ON d."DEPTID" = u."DEFAULTDEPTID"
      LEFT JOIN "acc_door" o ON o."id" = x."door" ${PLACE} WHERE x."n" = 1 AND x."state" = 0`,
    values: [since, ...(companies ?? [])],
  };
}

/** The number before the first line since that local time; of an empty table, null. */
export const firstSince = (time: string): Statement => ({
  sql: `SELECT MIN(l."id") AS "first", (SELECT MAX(m."id") FROM "acc_monitor_log" m) AS "last" FROM "acc_monitor_log" l WHERE l."time" >= ?`,
  values: [time],
});

export const linesAfter = (number: number, limit: number): Statement => ({
  sql: `SELECT ${LINE}, d."uscc" AS "uscc" FROM "acc_monitor_log" l ${HOLDER} WHERE l."id" > ? ORDER BY l."id" {limit ${limit}}`,
  values: [number],
});

export const lines = (numbers: readonly number[]): Statement => ({
  sql: `SELECT ${LINE}, d."uscc" AS "uscc" FROM "acc_monitor_log" l ${HOLDER} WHERE l."id" IN (${marks(numbers)}) ORDER BY l."id"`,
  values: numbers,
});

/** Numbers of the lines between two numbers, both included. */
export const numbersBetween = (from: number, to: number): Statement => ({
  sql: 'SELECT l."id" AS "id" FROM "acc_monitor_log" l WHERE l."id" >= ? AND l."id" <= ?',
  values: [from, to],
});

export const tenants: Statement = {
  sql: `SELECT d."code" AS "code", d."uscc" AS "uscc" FROM "DEPARTMENTS" d WHERE d."uscc" <> '' ORDER BY d."DEPTID"`,
  values: [],
};

/** Persons by number, a thousand at a time. */
export const people = (after: number): Statement => ({
  sql: `SELECT u."USERID" AS "id", u."Badgenumber" AS "pin", u."name" AS "name", d."uscc" AS "uscc" FROM "USERINFO" u
    LEFT JOIN "DEPARTMENTS" d ON d."DEPTID" = u."DEFAULTDEPTID" WHERE u."USERID" > ? ORDER BY u."USERID" {limit 1000}`,
  values: [after],
});
