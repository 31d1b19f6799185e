import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Parks, identities, the event log in commit order, leases, installation state, sources, cases, idempotent mutations, secret keys. */
export class Core0001 implements MigrationInterface {
  name = 'Core0001';

  async up(run: QueryRunner): Promise<void> {
    await run.query(`
      CREATE TABLE park (
        id text PRIMARY KEY, name text NOT NULL, region text NOT NULL,
        kind text, function text, led_by text, level text, position integer NOT NULL
      );
      CREATE TABLE building (
        id text PRIMARY KEY, park text NOT NULL REFERENCES park ON DELETE CASCADE,
        name text NOT NULL, floor_area numeric, known text[] NOT NULL DEFAULT '{}', position integer NOT NULL
      );
      CREATE INDEX building_park ON building (park);

      CREATE TABLE company (
        uscc text PRIMARY KEY, name text, name_source text, name_recorded_at timestamptz, name_fetched_at timestamptz,
        sort_name text NOT NULL DEFAULT ''
      );
      CREATE INDEX company_order ON company (sort_name, uscc);
      CREATE TABLE identity (
        entity text NOT NULL, key text NOT NULL, system text NOT NULL, value text NOT NULL,
        installation text NOT NULL, connector text NOT NULL, park text NOT NULL,
        first_seen timestamptz NOT NULL, last_seen timestamptz NOT NULL,
        PRIMARY KEY (entity, key, installation, system, value)
      );
      CREATE INDEX identity_value ON identity (entity, system, value);
      CREATE INDEX identity_installation ON identity (installation, entity);
      CREATE INDEX identity_park ON identity (park, entity, key);

      CREATE TABLE event_head (one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL);
      INSERT INTO event_head (position) VALUES (0);
      CREATE TABLE event_key (
        installation text NOT NULL, foreign_id text NOT NULL, recorded_at timestamptz NOT NULL,
        PRIMARY KEY (installation, foreign_id)
      );
      CREATE TABLE event (
        position bigint NOT NULL, id uuid NOT NULL, time timestamptz NOT NULL, recorded_at timestamptz NOT NULL,
        kind text NOT NULL, installation text NOT NULL, connector text NOT NULL, park text NOT NULL,
        company text, vehicle text, door text, badge text, lot text, meter text, case_id text,
        data jsonb NOT NULL DEFAULT '{}',
        PRIMARY KEY (recorded_at, position)
      ) PARTITION BY RANGE (recorded_at);
      CREATE INDEX event_position ON event (position);
      CREATE INDEX event_company ON event (company, position) WHERE company IS NOT NULL;
      CREATE INDEX event_door ON event (door, position) WHERE door IS NOT NULL;
      CREATE TABLE event_day (
        day date PRIMARY KEY, first_position bigint NOT NULL
      );

      CREATE TABLE lease (
        name text PRIMARY KEY, owner text NOT NULL, until timestamptz NOT NULL, fence bigint NOT NULL
      );
      CREATE TABLE state (
        installation text NOT NULL, name text NOT NULL, value jsonb NOT NULL, PRIMARY KEY (installation, name)
      );
      CREATE TABLE source (
        id text PRIMARY KEY, system text NOT NULL, protocol text NOT NULL, park text NOT NULL, state text NOT NULL,
        since timestamptz NOT NULL, reason text, last_success timestamptz, lag_ms bigint,
        errors integer NOT NULL, breaker text NOT NULL, updated_at timestamptz NOT NULL
      );
      CREATE TABLE filing (
        id text PRIMARY KEY, kind text NOT NULL, company text NOT NULL, state text NOT NULL, since timestamptz NOT NULL,
        receipt text, reason text, installation text NOT NULL, connector text NOT NULL,
        position bigint NOT NULL, recorded_at timestamptz NOT NULL
      );
      CREATE INDEX filing_company ON filing (company, since, id);
      CREATE TABLE mutation (
        subject text NOT NULL, mutation text NOT NULL, client_mutation_id text NOT NULL, payload_hash text NOT NULL,
        own_id text NOT NULL, state text NOT NULL, answer jsonb, started_at timestamptz NOT NULL,
        PRIMARY KEY (subject, mutation, client_mutation_id)
      );
      CREATE TABLE secret (name text PRIMARY KEY, value bytea NOT NULL);
    `);
  }

  async down(run: QueryRunner): Promise<void> {
    await run.query(`
      DROP TABLE secret, mutation, filing, source, state, lease, event_day, event, event_key, event_head,
        identity, company, building, park;
    `);
  }
}
