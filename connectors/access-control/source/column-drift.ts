/** Compares the vendor's columns that the statements read with those of the database, and names the graph fields affected. */
import type { Drift } from '../../kit/connector.ts';
import { malformed } from '../../kit/errors.ts';
import { findMissing } from '../../kit/monitoring/drift.ts';
import type { Row } from '../mapping.ts';
import type { Statement } from './statements.ts';

const ATTEMPT_FIELDS = ['AccessEvent', 'Presence', 'AccessGranted', 'AccessDenied'];

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  'acc_monitor_log.id': ATTEMPT_FIELDS,
  'acc_monitor_log.time': ATTEMPT_FIELDS,
  'acc_monitor_log.pin': ['Presence.people', 'AccessEvent.badge'],
  'acc_monitor_log.card_no': ['AccessEvent.badge', 'Badge.lastSeen'],
  'acc_monitor_log.device_id': ATTEMPT_FIELDS,
  'acc_monitor_log.verified': ATTEMPT_FIELDS,
  'acc_monitor_log.state': ['Presence.peopleInside', 'Building.peopleInside'],
  'acc_monitor_log.event_type': ['AccessEvent.outcome', 'Door.state'],
  'acc_monitor_log.description': ['AccessEvent.reason'],
  'acc_monitor_log.event_point_type': ['AccessEvent.door', 'Door.state'],
  'acc_monitor_log.event_point_id': ['AccessEvent.door', 'Door.state', 'Door.events'],
  'acc_door.id': ['Door'],
  'acc_door.door_name': ['Door.name'],
  'acc_door.device_id': ['Door.building'],
  'acc_device.id': ['Door.building'],
  'acc_device.area_id': ['Door.building'],
  'personnel_area.id': ['Door.building'],
  'personnel_area.areaid': ['Door.building', 'Building.doors'],
  'personnel_issuecard.id': ['Badge'],
  'personnel_issuecard.UserID_id': ['Badge.holder', 'Badge.company'],
  'personnel_issuecard.cardno': ['AccessEvent.badge', 'Badge.lastSeen'],
  'personnel_issuecard.isvalid': ['Badge.active'],
  'personnel_issuecard.cardstatus': ['Badge.active'],
  'USERINFO.USERID': ['Badge.holder'],
  'USERINFO.Badgenumber': ['Person', 'Presence.people'],
  'USERINFO.name': ['Person.name', 'Person.nameMasked'],
  'USERINFO.DEFAULTDEPTID': ['Person.company', 'Badge.company'],
  'DEPARTMENTS.DEPTID': ['Person.company', 'Badge.company'],
  'DEPARTMENTS.code': ['Company.identifiers'],
  'DEPARTMENTS.uscc': ['Company.badges', 'Company.presence', 'Badge.company'],
};

const TABLES = [...new Set(Object.keys(COLUMNS).map((column) => column.split('.')[0] as string))];

/** Columns of the tables in use, from `information_schema`; independent of the case of names. */
export const columnsQuery: Statement = {
  sql: `SELECT c."table_name" AS "table", c."column_name" AS "column" FROM information_schema.columns c
    WHERE LOWER(c."table_name") IN (${TABLES.map(() => '?').join(', ')})`,
  values: TABLES.map((table) => table.toLowerCase()),
};

/** Expected columns that are missing. Throws SOURCE_MALFORMED when none of the tables is visible to the account. */
export function findColumnDrift(rows: readonly Row[]): Drift[] {
  if (rows.length === 0) throw malformed('none of the tables is visible in information_schema');
  const offered = rows.map((row) => `${row['table']}.${row['column']}`);
  return findMissing(COLUMNS, offered, (part) => {
    const [table, column] = part.split('.');
    return `the column ${column} of ${table} is gone`;
  });
}
