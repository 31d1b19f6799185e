/** SELECT statements on the vendor's tables, portable between PostgreSQL, MariaDB and SQL Server. */
import { DENIED_CODES, GRANTED_CODES, STATE_CODES } from '../mapping.ts';

/** An SQL statement with the values of its placeholders. */
export interface Statement {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

const codes = (list: readonly number[]): string => list.join(', ');
export const ATTEMPT_CODES = codes([...GRANTED_CODES, ...DENIED_CODES]);
const placeholders = (list: readonly unknown[]): string => list.map(() => '?').join(', ');

/** Columns of a log line with the id of its card. A scalar subquery, so that a card issued twice does not duplicate the line. */
const LINE_COLUMNS = `l."id" AS "id", l."time" AS "time", l."pin" AS "pin", l."card_no" AS "card_no", l."device_id" AS "device_id",
  l."verified" AS "verified", l."state" AS "state", l."event_type" AS "event_type", l."description" AS "description",
  l."event_point_type" AS "event_point_type", l."event_point_id" AS "event_point_id",
  (SELECT MAX(c."id") FROM "personnel_issuecard" c WHERE c."cardno" = l."card_no") AS "badge"`;

const HOLDER_JOIN = `LEFT JOIN "USERINFO" u ON u."Badgenumber" = l."pin" LEFT JOIN "DEPARTMENTS" d ON d."DEPTID" = u."DEFAULTDEPTID"`;
const AREA = `LEFT JOIN "acc_device" v ON v."id" = o."device_id" LEFT JOIN "personnel_area" a ON a."id" = v."area_id"`;

export const ping: Statement = {
  sql: 'SELECT l."id" AS "id" FROM "acc_monitor_log" l WHERE l."id" < 0',
  values: [],
};

/** All doors with their area codes. */
export const doors: Statement = {
  sql: `SELECT o."id" AS "id", o."door_name" AS "door_name", o."device_id" AS "device_id", a."areaid" AS "area"
    FROM "acc_door" o ${AREA} ORDER BY o."id"`,
  values: [],
};

const BADGE_COLUMNS = `c."id" AS "id", c."isvalid" AS "isvalid", c."cardstatus" AS "cardstatus",
  u."Badgenumber" AS "pin", u."name" AS "name", d."uscc" AS "uscc"`;
const BADGE_TABLES = `FROM "personnel_issuecard" c LEFT JOIN "USERINFO" u ON u."USERID" = c."UserID_id"
  LEFT JOIN "DEPARTMENTS" d ON d."DEPTID" = u."DEFAULTDEPTID"`;
const ACTIVE = `(c."isvalid" = 1 AND (c."cardstatus" IS NULL OR c."cardstatus" IN ('', '1')))`;

export const badgesById = (numbers: readonly number[]): Statement => ({
  sql: `SELECT ${BADGE_COLUMNS} ${BADGE_TABLES} WHERE c."id" IN (${placeholders(numbers)})`,
  values: numbers,
});

export interface BadgePage {
  readonly forward: boolean;
  readonly limit: number;
  /** Number of the badge to continue after (exclusive). */
  readonly after: number | null;
  readonly active: boolean | null;
}

const activeIs = (active: boolean | null): string =>
  active === null ? '' : active ? `AND ${ACTIVE}` : `AND NOT ${ACTIVE}`;

/** One page of badges per company, in reading direction. */
export function badgesByCompany(companies: readonly string[], page: BadgePage): Statement {
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  const after = page.after === null ? '' : `AND c."id" ${compare} ?`;
  return {
    sql: `SELECT * FROM (SELECT ${BADGE_COLUMNS}, ROW_NUMBER() OVER (PARTITION BY d."uscc" ORDER BY c."id" ${order}) AS "n"
      ${BADGE_TABLES} WHERE d."uscc" IN (${placeholders(companies)}) ${activeIs(page.active)} ${after}) x
      WHERE x."n" <= ? ORDER BY x."uscc", x."n"`,
    values: [...companies, ...(page.after === null ? [] : [page.after]), page.limit],
  };
}

export const badgeCounts = (companies: readonly string[], active: boolean | null): Statement => ({
  sql: `SELECT d."uscc" AS "uscc", COUNT(*) AS "n" ${BADGE_TABLES}
    WHERE d."uscc" IN (${placeholders(companies)}) ${activeIs(active)} GROUP BY d."uscc"`,
  values: companies,
});

/** A time range in a controller's local time; `from` inclusive, `to` exclusive, null: open. */
export interface LocalTimeRange {
  readonly from: string | null;
  readonly to: string | null;
}

function timeCondition(span: LocalTimeRange, values: (string | number)[]): string {
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

export interface AttemptPage extends LocalTimeRange {
  readonly forward: boolean;
  readonly limit: number;
  /** Local time and number of the line to continue after (exclusive). */
  readonly after: readonly [string, number] | null;
}

/** One page of log lines per door in one statement; each part can use an index on door and time. */
export function attemptsByDoor(doorNumbers: readonly number[], page: AttemptPage): Statement {
  const [compare, order] = page.forward ? ['>', 'ASC'] : ['<', 'DESC'];
  const values: (string | number)[] = [];
  const parts = doorNumbers.map((door, i) => {
    values.push(door);
    let test = timeCondition(page, values);
    if (page.after !== null) {
      test += ` AND (l."time" ${compare} ? OR (l."time" = ? AND l."id" ${compare} ?))`;
      values.push(page.after[0], page.after[0], page.after[1]);
    }
    return `SELECT * FROM (SELECT ${LINE_COLUMNS} FROM "acc_monitor_log" l WHERE l."event_point_id" = ? AND l."event_point_type" = 0
      AND l."event_type" IN (${ATTEMPT_CODES}) ${test} ORDER BY l."time" ${order}, l."id" ${order} {limit ${page.limit}}) p${i}`;
  });
  return { sql: parts.join(' UNION ALL '), values };
}

export function attemptCounts(doorNumbers: readonly number[], span: LocalTimeRange): Statement {
  const values: (string | number)[] = [...doorNumbers];
  const test = timeCondition(span, values);
  return {
    sql: `SELECT l."event_point_id" AS "door", COUNT(*) AS "n" FROM "acc_monitor_log" l
      WHERE l."event_point_id" IN (${placeholders(doorNumbers)}) AND l."event_point_type" = 0 AND l."event_type" IN (${ATTEMPT_CODES}) ${test}
      GROUP BY l."event_point_id"`,
    values,
  };
}

/** The last line per door that reported its state, not older than the given local time. */
export const doorConditions = (doorNumbers: readonly number[], since: string): Statement => ({
  sql: `SELECT x."door" AS "door", x."event_type" AS "event_type" FROM (
      SELECT l."event_point_id" AS "door", l."event_type" AS "event_type",
        ROW_NUMBER() OVER (PARTITION BY l."event_point_id" ORDER BY l."time" DESC, l."id" DESC) AS "n"
      FROM "acc_monitor_log" l WHERE l."event_point_id" IN (${placeholders(doorNumbers)}) AND l."event_point_type" = 0
        AND l."time" >= ? AND l."event_type" IN (${codes(STATE_CODES)})) x WHERE x."n" = 1`,
  values: [...doorNumbers, since],
});

/** The last access attempt of each card. */
export function lastAttempts(badgeNumbers: readonly number[]): Statement {
  const parts = badgeNumbers.map(
    (number, i) => `SELECT * FROM (SELECT ${Math.trunc(number)} AS "wanted", ${LINE_COLUMNS} FROM "acc_monitor_log" l
      WHERE l."card_no" = (SELECT w."cardno" FROM "personnel_issuecard" w WHERE w."id" = ?) AND l."card_no" <> ''
      AND l."event_type" IN (${ATTEMPT_CODES}) ORDER BY l."time" DESC, l."id" DESC {limit 1}) p${i}`,
  );
  return { sql: parts.join(' UNION ALL '), values: badgeNumbers };
}

/**
 * Each person's last granted swipe since that local time; of all companies (null) or of some. Reads one range of the vendor's unique
 * key, which begins with the time, because no other index is guaranteed to exist.
 */
export function occupants(since: string, companies: readonly string[] | null): Statement {
  const people =
    companies === null
      ? `l."pin" <> ''`
      : `l."pin" IN (SELECT s."Badgenumber" FROM "USERINFO" s JOIN "DEPARTMENTS" t ON t."DEPTID" = s."DEFAULTDEPTID"
          WHERE t."uscc" IN (${placeholders(companies)}))`;
  return {
    sql: `SELECT x."time" AS "time", x."device_id" AS "device_id", x."state" AS "state", x."pin" AS "pin",
        u."name" AS "name", d."uscc" AS "uscc", a."areaid" AS "area" FROM (
      SELECT l."time" AS "time", l."device_id" AS "device_id", l."state" AS "state", l."pin" AS "pin", l."event_point_id" AS "door",
        ROW_NUMBER() OVER (PARTITION BY l."pin" ORDER BY l."time" DESC, l."id" DESC) AS "n"
      FROM "acc_monitor_log" l WHERE l."time" >= ? AND l."event_type" IN (${codes(GRANTED_CODES)}) AND l."state" IN (0, 1) AND ${people}) x
      LEFT JOIN "USERINFO" u ON u."Badgenumber" = x."pin" LEFT JOIN "DEPARTMENTS" d ON d."DEPTID" = u."DEFAULTDEPTID"
      LEFT JOIN "acc_door" o ON o."id" = x."door" ${AREA} WHERE x."n" = 1 AND x."state" = 0`,
    values: [since, ...(companies ?? [])],
  };
}

/** Number of the first line since that local time, and of the last line; null when there is none. */
export const firstLineSince = (time: string): Statement => ({
  sql: `SELECT MIN(l."id") AS "first", (SELECT MAX(m."id") FROM "acc_monitor_log" m) AS "last" FROM "acc_monitor_log" l WHERE l."time" >= ?`,
  values: [time],
});

export const linesAfter = (number: number, limit: number): Statement => ({
  sql: `SELECT ${LINE_COLUMNS}, d."uscc" AS "uscc" FROM "acc_monitor_log" l ${HOLDER_JOIN} WHERE l."id" > ? ORDER BY l."id" {limit ${limit}}`,
  values: [number],
});

export const linesById = (numbers: readonly number[]): Statement => ({
  sql: `SELECT ${LINE_COLUMNS}, d."uscc" AS "uscc" FROM "acc_monitor_log" l ${HOLDER_JOIN} WHERE l."id" IN (${placeholders(numbers)}) ORDER BY l."id"`,
  values: numbers,
});

/** Existing line numbers in a range, both ends inclusive. */
export const lineNumbersBetween = (from: number, to: number): Statement => ({
  sql: 'SELECT l."id" AS "id" FROM "acc_monitor_log" l WHERE l."id" >= ? AND l."id" <= ?',
  values: [from, to],
});

export const tenants: Statement = {
  sql: `SELECT d."code" AS "code", d."uscc" AS "uscc" FROM "DEPARTMENTS" d WHERE d."uscc" <> '' ORDER BY d."DEPTID"`,
  values: [],
};

/** The next thousand persons, ordered by number. */
export const people = (after: number): Statement => ({
  sql: `SELECT u."USERID" AS "id", u."Badgenumber" AS "pin", u."name" AS "name", d."uscc" AS "uscc" FROM "USERINFO" u
    LEFT JOIN "DEPARTMENTS" d ON d."DEPTID" = u."DEFAULTDEPTID" WHERE u."USERID" > ? ORDER BY u."USERID" {limit 1000}`,
  values: [after],
});
