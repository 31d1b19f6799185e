/** All migrations, in order: one line each. A released migration is never changed. */
import { Core0001 } from './0001-core.ts';
import { Parking0003 } from './0003-parking.ts';
import { Tax0004 } from './0004-tax.ts';
import { Energy0005 } from './0005-energy.ts';
import { Registration0006 } from './0006-registration.ts';
import { TaxAttempts0007 } from './0007-tax-attempts.ts';
import { Audit0008 } from './0008-audit.ts';
import { Consent0009 } from './0009-consent.ts';
import { Kept0010 } from './0010-kept.ts';
import { EventUpkeep0011 } from './0011-event-upkeep.ts';
import { CompanyFact0012 } from './0012-company-fact.ts';
import { RefusedPayloads0013 } from './0013-refused-payloads.ts';
import { ReadingHistory0014 } from './0014-reading-history.ts';
import { EventQuarantine0015 } from './0015-event-quarantine.ts';
import { HubProcess0016 } from './0016-hub-process.ts';
import { ConnectorOutage0017 } from './0017-connector-outage.ts';
import { MigrationTable0018 } from './0018-migration-table.ts';
import { Rollups0019 } from './0019-rollups.ts';
import { ProcessHeartbeat0021 } from './0021-process-heartbeat.ts';

export const migrations = [
  Core0001,
  Parking0003,
  Tax0004,
  Energy0005,
  Registration0006,
  TaxAttempts0007,
  Audit0008,
  Consent0009,
  Kept0010,
  EventUpkeep0011,
  CompanyFact0012,
  RefusedPayloads0013,
  ReadingHistory0014,
  EventQuarantine0015,
  HubProcess0016,
  ConnectorOutage0017,
  MigrationTable0018,
  Rollups0019,
  ProcessHeartbeat0021,
];
