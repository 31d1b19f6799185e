import { RIGHTS_MUTANTS } from './rights.ts';

/** A fault that is planted in the code; the named test must fail with it. */
export interface Mutant {
  readonly fault: string;
  /** From the repository's root. */
  readonly file: string;
  /** Must occur exactly once in the file. */
  readonly from: string;
  readonly to: string;
  readonly caught: {
    readonly file: string;
    /** Part of the title of the test that fails. */
    readonly name: string;
    readonly env?: Readonly<Record<string, string>>;
  };
}

/** The comparison with graphql-js stops at the first difference: mostly within 50 operations, sometimes after 400. */
const SPLITS = {
  file: 'gateway/federation/random-operations.test.ts',
  name: 'random splits',
  env: { ISTHMUS_CASES: '3000' },
};
const IN_PROCESS = {
  file: 'gateway/federation/in-process/execute-in-process.test.ts',
  name: 'graphql-js',
  env: { ISTHMUS_CASES: '300' },
};

/** One cell of the outage matrix. */
const OUTAGE = {
  file: 'tests/outage.test.ts',
  name: 'access-control: black-hole',
  env: { ISTHMUS_CHAOS: '0.25' },
};

export const MUTANTS: readonly Mutant[] = [
  {
    fault: 'all representations get the index of the first',
    file: 'gateway/federation/execute/collect-representations.ts',
    from: 'indices[n]=i;}return true;}`,',
    to: 'indices[n]=0;}return true;}`,',
    caught: SPLITS,
  },
  {
    fault: 'a step of a plan does not wait for the previous one',
    file: 'gateway/federation/execute/execute-plan.ts',
    from: 'if (pending) return pending.then(() => runFrom(i + 1));',
    to: '',
    caught: SPLITS,
  },
  {
    fault: 'objects of one list share their path',
    file: 'gateway/federation/execute/collect-representations.ts',
    from: 'segment.listIndexes[first + listIndex++]',
    to: 'segment.listIndexes[listIndex++]',
    caught: SPLITS,
  },
  {
    fault: 'all objects of an abstract type are written as the first of them',
    file: 'gateway/federation/respond/json-writer.ts',
    from: 'let write = known.get(type);',
    to: 'let write = [...known.values()][0];',
    caught: SPLITS,
  },
  {
    fault: 'a non-null field is null in the response (interpreted writer)',
    file: 'gateway/federation/respond/response-writer.ts',
    from: 'if (written !== null || !shape.nonNull) return written;',
    to: 'if (written !== null || shape) return written;',
    caught: SPLITS,
  },
  {
    fault: 'nulls of an in-process subgraph do not propagate',
    file: 'gateway/federation/in-process/null-propagation.ts',
    from: 'if (!position.nonNull) continue;',
    to: 'if (position) continue;',
    caught: IN_PROCESS,
  },
  {
    fault: 'failed fields of an in-process subgraph are not recorded',
    file: 'gateway/federation/in-process/execution-frame.ts',
    from: 'this.failures.push({ error, position, container, key });',
    to: '',
    caught: IN_PROCESS,
  },
  {
    fault: 'a variable that is not given is null, not the default',
    file: 'gateway/federation/in-process/field-arguments.ts',
    from: 'if (variable !== null && Object.hasOwn(variables, variable)) {',
    to: 'if (variable !== null) {',
    caught: IN_PROCESS,
  },
  {
    fault: '@skip and @include are confused',
    file: 'gateway/federation/plan/skip-include.ts',
    from: "(node.name.value === 'include')",
    to: "(node.name.value === 'skip')",
    caught: SPLITS,
  },
  {
    fault: 'aliases that are field names are planned under their own name',
    file: 'gateway/federation/data-keys.ts',
    from: "return response.startsWith('_') || fields.has(response) ? `_c_${response}` : response;",
    to: 'return response;',
    caught: SPLITS,
  },
  {
    fault: 'errors of an entity are reported at its first occurrence only',
    file: 'gateway/federation/execute/entity-fetch.ts',
    from: 'const { representationIndex: index, object, path } = place;',
    to: 'const { representationIndex: index, object, path: own0 } = place; const path = index === 0 ? own0 : own0.slice(0, 1);',
    caught: SPLITS,
  },
  {
    fault: 'equal selections are not merged before planning',
    file: 'gateway/federation/plan/normalized-selection.ts',
    from: 'if (known?.selections && item.selections) known.selections.push(...item.selections);',
    to: 'if (known?.selections && item.selections) known.selections.push();',
    caught: SPLITS,
  },
  {
    fault: 'a type of an interface is fetched with the selections of the others',
    file: 'gateway/federation/plan/narrow-plan.ts',
    from: 'const part = restrictSelections(set, typeBranch.sets, allSets, needed);',
    to: 'const part = restrictSelections(set, branches.filter((one) => one !== typeBranch).flatMap(({ sets }) => sets), allSets, needed);',
    caught: SPLITS,
  },
  {
    fault: 'the outage matrix injects no faults',
    file: 'connectors/kit/testing/chaos-proxy.ts',
    from: 'fault = next;',
    to: 'fault = null;',
    caught: OUTAGE,
  },
  {
    fault: 'last known values are not marked stale (seen by the outage matrix)',
    file: 'connectors/kit/guard/source-guard.ts',
    from: 'return fromCache<T>(reading, true);',
    to: 'return fromCache<T>(reading, false);',
    caught: OUTAGE,
  },
  {
    fault: 'stale values are marked fresh: a single read',
    file: 'connectors/kit/guard/source-guard.ts',
    from: 'return fromCache<T>(reading, true);',
    to: 'return fromCache<T>(reading, false);',
    caught: {
      file: 'connectors/kit/guard/source-guard.test.ts',
      name: 'returns a stale reading while the source fails',
    },
  },
  {
    fault: 'stale values are marked fresh: provenance is never stale',
    file: 'connectors/kit/guard/source-guard.ts',
    from: 'recordedAt,\n    stale,\n  });',
    to: 'recordedAt,\n    stale: stale && false,\n  });',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'caches each key of a batch' },
  },
  {
    fault: 'stale values are marked fresh: readings of another process are used without a call',
    file: 'connectors/kit/guard/read-cache.ts',
    from: 'type, about: null, fresh: false,',
    to: 'type, about: null, fresh: true,',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'durable readings survive a restart' },
  },
  {
    fault: 'stale values are marked fresh: at any age',
    file: 'connectors/kit/guard/read-cache.ts',
    from: 'return entry?.fresh && this.#age(entry) < fresh ? entry : null;',
    to: 'return entry?.fresh ? entry : null;',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'returns a fresh reading; reads again' },
  },
  {
    fault: 'mirrored values are marked fresh while the source is down',
    file: 'connectors/kit/guard/source-guard.ts',
    from: "storedAges.ageOf(fetchedAt) > fresh || health.state === 'DOWN';",
    to: 'storedAges.ageOf(fetchedAt) > fresh;',
    caught: {
      file: 'connectors/kit/guard/source-guard.test.ts',
      name: 'mirrored data is stale when old or when the source is down',
    },
  },
  {
    fault: 'the circuit breaker ignores slow responses',
    file: 'connectors/kit/guard/circuit-breaker.ts',
    from: 'failed = result.slow;',
    to: 'failed = false;',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'slow responses open the circuit breaker' },
  },
  {
    fault: 'an unreachable connector is not recorded for the graph',
    file: 'gateway/sources/remote-sources.ts',
    from: '      await recordOutage(plain, name, this.#gatewayId, error);',
    to: '',
    caught: { file: 'tests/remote-sources.test.ts', name: 'reports DOWN everywhere when the process stops' },
  },
  {
    fault: 'an idle subscriber gets no gap for events dropped by retention',
    file: 'gateway/live/log-reader.ts',
    from: '|| performance.now() - this.#lastRead > IDLE_LIMIT',
    to: '',
    caught: { file: 'gateway/live/subscription-registry.test.ts', name: 'sends Gap to an idle subscriber' },
  },
  {
    fault: 'a decreasing register counts as rolled over at any previous value',
    file: 'schema/database/energy/reading-intervals.ts',
    from: 'before > 0.9 * modulus AND ',
    to: '',
    caught: {
      file: 'schema/database/energy/consumption.test.ts',
      name: 'has rolled over only when it was near its end',
    },
  },
  {
    fault: 'a decreasing register counts as rolled over at any new value',
    file: 'schema/database/energy/reading-intervals.ts',
    from: ' AND value < 0.1 * modulus',
    to: '',
    caught: {
      file: 'schema/database/energy/consumption.test.ts',
      name: 'has rolled over only when it was near its end',
    },
  },
  {
    fault: 'a counter that runs backwards counts as rolled over',
    file: 'connectors/energy/source/drift-detector.ts',
    from: 'before > 0.9 * modulus && ',
    to: '',
    caught: {
      file: 'connectors/energy/source/drift-detector.test.ts',
      name: 'has rolled over when it was near its end',
    },
  },
  {
    fault: 'drift is checked only once',
    file: 'connectors/kit/host/health-monitor.ts',
    from: 'if (this.#comparedAt !== null && services.clock.monotonic() - this.#comparedAt < interval) return;',
    to: 'if (this.#comparedAt !== null) return;',
    caught: { file: 'connectors/kit/host/health-monitor.test.ts', name: 'at the first check and again each hour' },
  },
  {
    fault: 'a suspected drift does not bring the next check forward',
    file: 'connectors/kit/host/health-monitor.ts',
    from: 'const interval = this.#suspected ? Math.min(intervals.drift, DRIFT_RECHECK) : intervals.drift;',
    to: 'const interval = intervals.drift;',
    caught: { file: 'connectors/kit/host/health-monitor.test.ts', name: 'checks for drift again within seconds' },
  },
  {
    fault: 'a column of the door system is not watched',
    file: 'connectors/access-control/source/column-drift.ts',
    from: "  'personnel_issuecard.cardstatus': ['Badge.active'],\n",
    to: '',
    caught: {
      file: 'connectors/access-control/source/column-drift.test.ts',
      name: 'reports the column personnel_issuecard.cardstatus by name',
    },
  },
  {
    fault: 'an element of the register is not watched',
    file: 'connectors/registration/mapping/drift.ts',
    from: "  DOM: ['Registration.address'],\n",
    to: '',
    caught: { file: 'connectors/registration/mapping/drift.test.ts', name: 'is watched' },
  },
  {
    fault: 'a part of the parking sessions is not watched',
    file: 'connectors/parking/mapping/drift.ts',
    from: "      actualStart: ['ParkingSession.enteredAt', 'VehicleEntered'],\n",
    to: '',
    caught: { file: 'connectors/parking/mapping/drift.test.ts', name: "changes the mapped 'session'" },
  },
  {
    fault: 'the audit verifier ignores the signed hash of an entry',
    file: 'gateway/trust/audit/export/verify-entries.ts',
    from: 'if (signedHash !== undefined && signedHash !== hash)',
    to: 'if (signedHash === hash && number < 0)',
    caught: {
      file: 'gateway/trust/audit/export/verify-export.test.ts',
      name: 'reports entries with valid hashes that differ from the signed statement',
    },
  },
  {
    fault: 'a rejected request is retried (C8)',
    file: 'connectors/kit/guard/retry.ts',
    from: 'error.retryable &&',
    to: '',
    caught: { file: 'connectors/template/template.test.ts', name: 'C8 rejected' },
  },
  {
    fault: 'a source retries a rejected request itself, below the guard (C8)',
    file: 'connectors/template/source.ts',
    from: 'const { statusCode: status } = response;',
    to: "const { statusCode: status } = response;\n    if (status >= 400 && !path.includes('again')) return this.#get(`${path}&again=1`, signal);",
    caught: { file: 'connectors/template/template.test.ts', name: 'C8 rejected' },
  },
  {
    fault: 'a source leaves a timer running, which does not keep the process alive (C3)',
    file: 'connectors/template/source.ts',
    from: 'this.#services = services;',
    to: 'this.#services = services;\n    setInterval(() => undefined, 60_000).unref();',
    caught: { file: 'connectors/template/template.test.ts', name: 'C3 opens' },
  },
  {
    fault: 'the host leaves the timer of its next check running (C3)',
    file: 'connectors/kit/host/health-monitor.ts',
    from: 'stop(): void {\n    clearTimeout(this.#timer);',
    to: 'stop(): void {',
    caught: { file: 'connectors/template/template.test.ts', name: 'C3 opens' },
  },
  {
    fault: 'a broker session leaves its ping timer running',
    file: 'connectors/energy/source/mqtt-session.ts',
    from: 'clearInterval(this.#ping);',
    to: '',
    caught: { file: 'connectors/energy/mqtt.test.ts', name: 'no payload blocks the stream' },
  },
  {
    fault: 'a webhook is acknowledged before its commit (C14)',
    file: 'connectors/parking/source/ingestion.ts',
    from: 'await this.#webhookCommits.add(events, request.body.length);',
    to: 'void this.#webhookCommits.add(events).catch(() => undefined);',
    caught: { file: 'connectors/parking/parking.test.ts', name: 'C14 webhook' },
  },
  {
    fault: 'the cursor of a list moves before its records are committed (C14)',
    file: 'connectors/parking/source/ingestion.ts',
    from: "        if (last) await state.set(tx, 'sessions', { began: cursor.began, instant });",
    to: "        if (last) await transaction((other) => state.set(other, 'sessions', { began: cursor.began, instant }));",
    caught: { file: 'connectors/parking/parking.test.ts', name: 'C14 poll sessions' },
  },
  {
    fault: 'a message is acknowledged to the broker before its commit (C14)',
    file: 'connectors/energy/source/mqtt-session.ts',
    from: 'if (!this.#socket.destroyed) await this.#handlers?.onBatch(batch.map(({ message }) => message));',
    to: 'if (!this.#socket.destroyed) void this.#handlers?.onBatch(batch.map(({ message }) => message)).catch(() => undefined);',
    caught: { file: 'connectors/energy/conformance.test.ts', name: 'C14 poll telemetry' },
  },
  {
    fault: 'registers that could not be committed are dropped (C14)',
    file: 'connectors/energy/source/meter-poller.ts',
    from: '[...this.#pending, ...found].slice(-MAX_PENDING)',
    to: '[...found]',
    caught: { file: 'connectors/energy/conformance.test.ts', name: 'C14 poll meters' },
  },
  {
    fault: 'a file is moved out of the drop before its commit (C14)',
    file: 'connectors/tax/source/file-import.ts',
    from: 'try {\n      await this.#store(name, digest, file);',
    to: 'if (file.taken) await this.#folders.move(call, `claimed/${name}`, `done/${name}`);\n    try {\n      await this.#store(name, digest, file);',
    caught: { file: 'connectors/tax/tax.test.ts', name: 'C14 drop' },
  },
  {
    fault: 'a session with a PostgreSQL vendor may write',
    file: 'connectors/kit/protocols/sql.ts',
    from: "if (!readOnly.has(client)) await client.query('SET default_transaction_read_only = on');",
    to: '',
    caught: { file: 'connectors/kit/protocols/sql.test.ts', name: 'PostgreSQL rejects writes' },
  },
  {
    fault: 'a session with a MySQL vendor may write',
    file: 'connectors/kit/protocols/sql.ts',
    from: "if (!readOnly.has(connection.connection)) await connection.query('SET SESSION TRANSACTION READ ONLY');",
    to: '',
    caught: { file: 'connectors/kit/protocols/sql.test.ts', name: 'sets a MySQL session to read-only' },
  },
  {
    fault: 'the fence of a lease is not checked',
    file: 'schema/database/processes/leases.ts',
    from: 'return rows.length === 1;',
    to: 'return rows.length >= 0;',
    caught: { file: 'connectors/kit/host/job-runner.test.ts', name: 'after another process acquired its lease' },
  },
  {
    fault: 'the fence of a lease checks only the owner',
    file: 'schema/database/processes/leases.ts',
    from: 'AND owner = $2 AND fence = $3 FOR SHARE',
    to: 'AND owner = $2 AND $3::text IS NOT NULL FOR SHARE',
    caught: { file: 'connectors/kit/host/job-runner.test.ts', name: 'which has another fence' },
  },
  {
    fault: 'rows returned by fields are not checked against row permissions',
    file: 'connectors/kit/subgraph/row-rights-check.ts',
    from: 'return row instanceof Error || rows.maySee(check(row, rows));',
    to: 'return rows !== null || rows.maySee(check(row, rows));',
    caught: {
      file: 'connectors/kit/subgraph/row-rights-check.test.ts',
      name: 'returns null for a row of another owner',
    },
  },
  {
    fault: 'a caller limited to parks sees every company',
    file: 'connectors/kit/auth/row-rights.ts',
    from: 'return known.some((one) => one !== false) && Promise.all(known).then((all) => all.includes(true));',
    to: 'return true;',
    caught: { file: 'connectors/kit/auth/row-rights.test.ts', name: 'a caller of one park' },
  },
  {
    fault: 'a group that reveals a small group is shown',
    file: 'connectors/kit/disclosure-control.ts',
    from: 'if (!isFew(rest.size)) break;',
    to: 'break;',
    caught: { file: 'connectors/kit/disclosure-control.test.ts', name: 'withholds a further group' },
  },
];

/** All mutants; ISTHMUS_MUTANT is an index into this list. */
export const ALL_MUTANTS: readonly Mutant[] = [...MUTANTS, ...RIGHTS_MUTANTS];
