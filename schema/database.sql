-- The hub's database, printed by `isthmus schema`. Do not edit: write a migration.

CREATE TABLE audit_chain (
  chain text NOT NULL,
  digest text NOT NULL,
  head text NOT NULL,
  begun timestamp with time zone NOT NULL,
  trimmed bigint NOT NULL DEFAULT 0,
  trimmed_hash bytea,
  PRIMARY KEY (chain)
);

CREATE TABLE audit_entry (
  chain text NOT NULL,
  number bigint NOT NULL,
  time timestamp with time zone NOT NULL,
  body text NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (chain, number)
);
CREATE INDEX audit_entry_time ON audit_entry USING brin ("time");

CREATE TABLE audit_key (
  id text NOT NULL,
  jwk jsonb NOT NULL,
  first_used timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (id)
);

CREATE TABLE audit_salt (
  type text NOT NULL,
  id text NOT NULL,
  salt bytea NOT NULL,
  salted text NOT NULL,
  PRIMARY KEY (type, id)
);

CREATE TABLE audit_statement (
  number bigint NOT NULL,
  chain text,
  count bigint NOT NULL,
  body text NOT NULL,
  signature text NOT NULL,
  PRIMARY KEY (number)
);

CREATE TABLE audit_subject (
  subject text NOT NULL,
  time timestamp with time zone NOT NULL,
  chain text NOT NULL,
  number bigint NOT NULL,
  PRIMARY KEY (subject, "time", chain, number)
);
CREATE INDEX audit_subject_entry ON audit_subject USING btree (chain, number);

CREATE TABLE building (
  id text NOT NULL,
  park text NOT NULL,
  name text NOT NULL,
  floor_area numeric,
  known text[] NOT NULL DEFAULT '{}'::text[],
  position integer NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY (park) REFERENCES park(id) ON DELETE CASCADE
);
CREATE INDEX building_park ON building USING btree (park);

CREATE TABLE company (
  uscc text NOT NULL,
  name text,
  name_source text,
  name_recorded_at timestamp with time zone,
  name_fetched_at timestamp with time zone,
  sort_name text NOT NULL DEFAULT ''::text,
  PRIMARY KEY (uscc)
);
CREATE INDEX company_order ON company USING btree (sort_name, uscc);

CREATE TABLE company_fact (
  uscc text NOT NULL,
  field text NOT NULL,
  installation text NOT NULL,
  connector text NOT NULL,
  value text NOT NULL,
  authority boolean NOT NULL,
  recorded_at timestamp with time zone,
  fetched_at timestamp with time zone NOT NULL,
  PRIMARY KEY (uscc, field, installation)
);

CREATE TABLE connector_outage (
  connector text NOT NULL,
  seen_by text NOT NULL,
  reason text NOT NULL,
  since timestamp with time zone NOT NULL,
  seen_at timestamp with time zone NOT NULL,
  PRIMARY KEY (connector, seen_by)
);

CREATE TABLE consent (
  id text NOT NULL,
  company text NOT NULL,
  client text NOT NULL,
  purpose text NOT NULL,
  granted_at timestamp with time zone NOT NULL,
  granted_by text NOT NULL,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  revoked_by text,
  PRIMARY KEY (id)
);
CREATE INDEX consent_client ON consent USING btree (client) WHERE (revoked_at IS NULL);
CREATE INDEX consent_company ON consent USING btree (company, granted_at);

CREATE TABLE dropped_before (
  what text NOT NULL,
  before timestamp with time zone NOT NULL,
  PRIMARY KEY (what)
);

CREATE TABLE energy_day (
  meter text NOT NULL,
  start timestamp with time zone NOT NULL,
  amount numeric,
  measured interval NOT NULL,
  estimated boolean NOT NULL,
  suspect boolean NOT NULL,
  corrected timestamp with time zone,
  PRIMARY KEY (meter, start)
);

CREATE TABLE energy_dirty (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  meter text NOT NULL,
  since timestamp with time zone NOT NULL,
  until timestamp with time zone NOT NULL,
  read_from timestamp with time zone NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX energy_dirty_meter ON energy_dirty USING btree (meter);

CREATE TABLE energy_gap (
  meter text NOT NULL,
  level smallint NOT NULL,
  since timestamp with time zone NOT NULL,
  time timestamp with time zone NOT NULL,
  amount numeric,
  estimated boolean NOT NULL,
  suspect boolean NOT NULL,
  corrected timestamp with time zone,
  PRIMARY KEY (meter, level, since)
);

CREATE TABLE energy_hour (
  meter text NOT NULL,
  start timestamp with time zone NOT NULL,
  amount numeric,
  measured interval NOT NULL,
  estimated boolean NOT NULL,
  suspect boolean NOT NULL,
  corrected timestamp with time zone,
  PRIMARY KEY (meter, start)
);

CREATE TABLE energy_month (
  meter text NOT NULL,
  start timestamp with time zone NOT NULL,
  amount numeric,
  measured interval NOT NULL,
  estimated boolean NOT NULL,
  suspect boolean NOT NULL,
  corrected timestamp with time zone,
  PRIMARY KEY (meter, start)
);

CREATE TABLE energy_rollup (
  meter text NOT NULL,
  claimed timestamp with time zone NOT NULL,
  until timestamp with time zone NOT NULL,
  read_from timestamp with time zone NOT NULL,
  complete boolean NOT NULL,
  zone text NOT NULL,
  unit text,
  modulus numeric,
  PRIMARY KEY (meter)
);

CREATE TABLE event (
  position bigint NOT NULL,
  id uuid NOT NULL,
  time timestamp with time zone NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  kind text NOT NULL,
  installation text NOT NULL,
  connector text NOT NULL,
  park text NOT NULL,
  company text,
  vehicle text,
  door text,
  badge text,
  lot text,
  meter text,
  case_id text,
  data jsonb NOT NULL DEFAULT '{}'::jsonb,
  PRIMARY KEY (recorded_at, "position")
) PARTITION BY RANGE (recorded_at);
CREATE INDEX event_company ON event USING btree (company, "position") WHERE (company IS NOT NULL);
CREATE INDEX event_door ON event USING btree (door, "position") WHERE (door IS NOT NULL);
CREATE INDEX event_position ON event USING btree ("position");

CREATE TABLE event_day (
  day date NOT NULL,
  first_position bigint NOT NULL,
  PRIMARY KEY (day)
);

CREATE TABLE event_head (
  one boolean NOT NULL DEFAULT true,
  position bigint NOT NULL,
  PRIMARY KEY (one),
  CHECK (one)
);

CREATE TABLE event_key (
  installation text NOT NULL,
  foreign_id text NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  PRIMARY KEY (installation, foreign_id)
);
CREATE INDEX event_key_age ON event_key USING btree (recorded_at);

CREATE TABLE event_quarantine (
  id text NOT NULL,
  installation text NOT NULL,
  position bigint,
  kind text NOT NULL,
  field text NOT NULL,
  reason text NOT NULL,
  event text NOT NULL,
  found_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (id)
);
CREATE INDEX event_quarantine_age ON event_quarantine USING btree (found_at);

CREATE TABLE filing (
  id text NOT NULL,
  kind text NOT NULL,
  company text NOT NULL,
  state text NOT NULL,
  since timestamp with time zone NOT NULL,
  receipt text,
  reason text,
  installation text NOT NULL,
  connector text NOT NULL,
  position bigint NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX filing_company ON filing USING btree (company, since, id);

CREATE TABLE hub_configuration (
  digest text NOT NULL,
  number bigint NOT NULL,
  outline jsonb NOT NULL,
  set_by text NOT NULL,
  set_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (digest)
);

CREATE TABLE hub_process (
  owner text NOT NULL,
  role text NOT NULL,
  host text NOT NULL,
  pid integer NOT NULL,
  configuration text NOT NULL,
  started_at timestamp with time zone NOT NULL DEFAULT now(),
  until timestamp with time zone NOT NULL,
  PRIMARY KEY (owner)
);

CREATE TABLE identity (
  entity text NOT NULL,
  key text NOT NULL,
  system text NOT NULL,
  value text NOT NULL,
  installation text NOT NULL,
  connector text NOT NULL,
  park text NOT NULL,
  first_seen timestamp with time zone NOT NULL,
  last_seen timestamp with time zone NOT NULL,
  PRIMARY KEY (entity, key, installation, system, value)
);
CREATE INDEX identity_installation ON identity USING btree (installation, entity);
CREATE INDEX identity_park ON identity USING btree (park, entity, key);
CREATE INDEX identity_value ON identity USING btree (entity, system, value);

CREATE TABLE kept (
  installation text NOT NULL,
  key bytea NOT NULL,
  value jsonb NOT NULL,
  fetched_at timestamp with time zone NOT NULL,
  recorded_at timestamp with time zone,
  until timestamp with time zone NOT NULL,
  PRIMARY KEY (installation, key)
);
CREATE INDEX kept_age ON kept USING btree (installation, fetched_at);
CREATE INDEX kept_until ON kept USING btree (installation, until);

CREATE TABLE lease (
  name text NOT NULL,
  owner text NOT NULL,
  until timestamp with time zone NOT NULL,
  fence bigint NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE meter (
  id text NOT NULL,
  installation text NOT NULL,
  serial text NOT NULL,
  medium text,
  unit text,
  building text,
  company text,
  modulus numeric,
  PRIMARY KEY (id)
);
CREATE INDEX meter_building ON meter USING btree (building, id);
CREATE INDEX meter_company ON meter USING btree (company, id);
CREATE INDEX meter_installation ON meter USING btree (installation);

CREATE TABLE meter_reading (
  meter text NOT NULL,
  time timestamp with time zone NOT NULL,
  value numeric NOT NULL,
  quality text NOT NULL,
  revision integer NOT NULL DEFAULT 0,
  received_at timestamp with time zone,
  origin text,
  corrected_at timestamp with time zone,
  PRIMARY KEY (meter, "time")
) PARTITION BY RANGE ("time");

CREATE TABLE meter_reading_history (
  meter text NOT NULL,
  time timestamp with time zone NOT NULL,
  value numeric NOT NULL,
  quality text NOT NULL,
  revision integer NOT NULL,
  received_at timestamp with time zone,
  origin text,
  superseded_at timestamp with time zone NOT NULL,
  PRIMARY KEY (meter, "time", revision, value, quality)
);
CREATE INDEX meter_reading_history_age ON meter_reading_history USING btree ("time");

CREATE TABLE meter_refusal (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  installation text NOT NULL,
  topic text NOT NULL,
  payload bytea NOT NULL,
  reason text NOT NULL,
  at timestamp with time zone NOT NULL,
  gateway text,
  size bigint NOT NULL,
  digest bytea NOT NULL,
  whole boolean NOT NULL DEFAULT true,
  weight bigint NOT NULL GENERATED ALWAYS AS ((((size + octet_length(topic)) + octet_length(reason)) + 128)) STORED,
  PRIMARY KEY (id)
);
CREATE INDEX meter_refusal_age ON meter_refusal USING btree (installation, at);
CREATE INDEX meter_refusal_installation ON meter_refusal USING btree (installation, id);

CREATE TABLE meter_refusal_part (
  refusal bigint NOT NULL,
  number integer NOT NULL,
  installation text NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (refusal, number)
);

CREATE TABLE meter_refusal_total (
  installation text NOT NULL,
  count bigint NOT NULL,
  bytes bigint NOT NULL,
  dropped bigint NOT NULL DEFAULT 0,
  dropped_bytes bigint NOT NULL DEFAULT 0,
  dropped_until timestamp with time zone,
  dropped_at timestamp with time zone,
  expired bigint NOT NULL DEFAULT 0,
  expired_bytes bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (installation)
);

CREATE TABLE mutation (
  subject text NOT NULL,
  mutation text NOT NULL,
  client_mutation_id text NOT NULL,
  payload_hash text NOT NULL,
  own_id text NOT NULL,
  state text NOT NULL,
  answer jsonb,
  started_at timestamp with time zone NOT NULL,
  PRIMARY KEY (subject, mutation, client_mutation_id)
);
CREATE INDEX mutation_age ON mutation USING btree (started_at);

CREATE TABLE occupancy (
  installation text NOT NULL,
  vendor_id text NOT NULL,
  lot text NOT NULL,
  time timestamp with time zone NOT NULL,
  occupied integer NOT NULL,
  capacity integer,
  over_capacity boolean NOT NULL,
  negative boolean NOT NULL,
  duplicate boolean NOT NULL,
  PRIMARY KEY (installation, vendor_id)
);
CREATE INDEX occupancy_age ON occupancy USING btree ("time");
CREATE INDEX occupancy_lot ON occupancy USING btree (installation, lot, "time");

CREATE TABLE occupancy_dirty (
  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  installation text NOT NULL,
  lot text NOT NULL,
  start timestamp with time zone NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX occupancy_dirty_lot ON occupancy_dirty USING btree (installation, lot);

CREATE TABLE occupancy_hour (
  installation text NOT NULL,
  lot text NOT NULL,
  start timestamp with time zone NOT NULL,
  measured integer NOT NULL,
  total bigint NOT NULL,
  min integer,
  max integer,
  flagged integer NOT NULL,
  PRIMARY KEY (installation, lot, start)
);
CREATE INDEX occupancy_hour_age ON occupancy_hour USING btree (start);

CREATE TABLE occupancy_rollup (
  installation text NOT NULL,
  lot text NOT NULL,
  claimed timestamp with time zone NOT NULL,
  until timestamp with time zone NOT NULL,
  PRIMARY KEY (installation, lot)
);

CREATE TABLE park (
  id text NOT NULL,
  name text NOT NULL,
  region text NOT NULL,
  kind text,
  function text,
  led_by text,
  level text,
  position integer NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE process_heartbeat (
  owner text NOT NULL,
  renewed_at timestamp with time zone NOT NULL,
  until timestamp with time zone NOT NULL,
  PRIMARY KEY (owner)
);

CREATE TABLE register_application (
  installation text NOT NULL,
  number text NOT NULL,
  reference text NOT NULL,
  uscc text NOT NULL,
  state text NOT NULL,
  PRIMARY KEY (installation, number)
);

CREATE TABLE register_entry (
  installation text NOT NULL,
  uscc text NOT NULL,
  fields jsonb NOT NULL,
  PRIMARY KEY (installation, uscc)
);

CREATE TABLE schema_step (
  number integer NOT NULL,
  name text NOT NULL,
  run_at timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY (number)
);

CREATE TABLE secret (
  name text NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE source (
  id text NOT NULL,
  system text NOT NULL,
  protocol text NOT NULL,
  park text NOT NULL,
  state text NOT NULL,
  since timestamp with time zone NOT NULL,
  reason text,
  last_success timestamp with time zone,
  lag_ms bigint,
  errors integer NOT NULL,
  breaker text NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  reporter text,
  PRIMARY KEY (id)
);

CREATE TABLE state (
  installation text NOT NULL,
  name text NOT NULL,
  value jsonb NOT NULL,
  PRIMARY KEY (installation, name)
);

CREATE TABLE tax_account (
  installation text NOT NULL,
  company text NOT NULL,
  standing text NOT NULL,
  standing_since date,
  digest bytea NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  PRIMARY KEY (installation, company)
);

CREATE TABLE tax_clearance (
  installation text NOT NULL,
  reference text NOT NULL,
  company text NOT NULL,
  until text NOT NULL,
  requested_at timestamp with time zone NOT NULL,
  state text NOT NULL,
  since timestamp with time zone NOT NULL,
  receipt text,
  reason text,
  PRIMARY KEY (installation, reference)
);

CREATE TABLE tax_file (
  installation text NOT NULL,
  digest bytea NOT NULL,
  name text NOT NULL,
  size bigint NOT NULL,
  bytes bytea,
  modified_at timestamp with time zone NOT NULL,
  received_at timestamp with time zone NOT NULL,
  state text NOT NULL,
  layout text,
  recorded_at timestamp with time zone,
  rows integer,
  refused integer,
  reason text,
  detail text,
  notes text[] NOT NULL DEFAULT '{}'::text[],
  settled_at timestamp with time zone,
  attempts integer NOT NULL DEFAULT 1,
  PRIMARY KEY (installation, digest)
);
CREATE INDEX tax_file_taken ON tax_file USING btree (installation, settled_at) WHERE (state = 'TAKEN'::text);

CREATE TABLE tax_filing (
  installation text NOT NULL,
  company text NOT NULL,
  number text NOT NULL,
  period text NOT NULL,
  ends text NOT NULL GENERATED ALWAYS AS (
CASE
    WHEN (length(period) = 4) THEN (period || '-12'::text)
    WHEN (substr(period, 6, 1) = 'Q'::text) THEN ("left"(period, 5) || lpad((((substr(period, 7, 1))::integer * 3))::text, 2, '0'::text))
    ELSE period
END) STORED,
  filed_on date,
  amount numeric NOT NULL,
  currency text NOT NULL,
  digest bytea NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  PRIMARY KEY (installation, company, number)
);
CREATE INDEX tax_filing_order ON tax_filing USING btree (installation, company, ends, number);
CREATE INDEX tax_filing_period ON tax_filing USING btree (installation, period);

CREATE TABLE tax_invoice (
  installation text NOT NULL,
  company text NOT NULL,
  number text NOT NULL,
  issued_on date NOT NULL,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  gross numeric NOT NULL,
  currency text NOT NULL,
  cancelled boolean NOT NULL,
  counted boolean NOT NULL,
  original text,
  digest bytea NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  PRIMARY KEY (installation, company, number)
);
CREATE INDEX tax_invoice_day ON tax_invoice USING btree (installation, issued_on);
CREATE INDEX tax_invoice_order ON tax_invoice USING btree (installation, company, issued_on, number);

CREATE TABLE tax_row_report (
  installation text NOT NULL,
  digest bytea NOT NULL,
  number integer NOT NULL,
  line integer NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  PRIMARY KEY (installation, digest, number),
  FOREIGN KEY (installation, digest) REFERENCES tax_file(installation, digest) ON DELETE CASCADE
);

CREATE TABLE vehicle (
  id text NOT NULL,
  installation text NOT NULL,
  plate text NOT NULL,
  colour text NOT NULL,
  company text,
  PRIMARY KEY (id, installation)
);
CREATE INDEX vehicle_plate ON vehicle USING btree (plate);
