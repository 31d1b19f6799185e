import { RIGHTS_MUTANTS } from './rights.ts';

/** Faults planted in the code, one at a time; the test that each names must notice it. */
export interface Mutant {
  readonly says: string;
  /** From the repository's root. */
  readonly file: string;
  /** Stands once in the file. */
  readonly from: string;
  readonly to: string;
  readonly caught: {
    readonly file: string;
    /** Part of the title of the test that fails. */
    readonly name: string;
    readonly env?: Readonly<Record<string, string>>;
  };
}

/** A comparison with graphql-js ends with the first difference: most come within 50 operations, some take 400. */
const SPLITS = {
  file: 'gateway/federation/random-operations.test.ts',
  name: 'random splits',
  env: { ISTHMUS_CASES: '3000' },
};
const FUSED = {
  file: 'gateway/federation/in-process/execute-in-process.test.ts',
  name: 'graphql-js',
  env: { ISTHMUS_CASES: '300' },
};

/** One row of the matrix. */
const OUTAGE = {
  file: 'tests/outage.test.ts',
  name: 'access-control: black-hole',
  env: { ISTHMUS_CHAOS: '0.25' },
};

export const MUTANTS: readonly Mutant[] = [
  {
    says: 'equal representations get the first place of all',
    file: 'gateway/federation/execute/collect-representations.ts',
    from: 'indices[n]=i;}return true;}`,',
    to: 'indices[n]=0;}return true;}`,',
    caught: SPLITS,
  },
  {
    says: 'a step does not wait for the one before',
    file: 'gateway/federation/execute/execute-plan.ts',
    from: 'if (waiting) return waiting.then(() => from(i + 1));',
    to: '',
    caught: SPLITS,
  },
  {
    says: 'objects of one list share their places',
    file: 'gateway/federation/execute/collect-representations.ts',
    from: 'part.at[first + n++]',
    to: 'part.at[n++]',
    caught: SPLITS,
  },
  {
    says: 'all objects of an abstract type are written as the first of them',
    file: 'gateway/federation/respond/json-writer.ts',
    from: 'let write = known.get(type);',
    to: 'let write = [...known.values()][0];',
    caught: SPLITS,
  },
  {
    says: 'null stands where a value is promised (slow way)',
    file: 'gateway/federation/respond/response-writer.ts',
    from: 'if (written !== null || !shape.nonNull) return written;',
    to: 'if (written !== null || shape) return written;',
    caught: SPLITS,
  },
  {
    says: 'nulls of a fused subgraph do not climb',
    file: 'gateway/federation/in-process/null-propagation.ts',
    from: 'if (!position.nonNull) continue;',
    to: 'if (position) continue;',
    caught: FUSED,
  },
  {
    says: 'fused fields keep the value of an error that was returned or thrown',
    file: 'gateway/federation/in-process/execution-frame.ts',
    from: 'this.failures.push({ error, position, box, key });',
    to: '',
    caught: FUSED,
  },
  {
    says: 'a variable that is not given is null, not the default',
    file: 'gateway/federation/in-process/field-arguments.ts',
    from: 'if (variable !== null && Object.hasOwn(variables, variable)) {',
    to: 'if (variable !== null) {',
    caught: FUSED,
  },
  {
    says: 'skip and include are taken for each other',
    file: 'gateway/federation/plan/skip-include.ts',
    from: "(node.name.value === 'include')",
    to: "(node.name.value === 'skip')",
    caught: SPLITS,
  },
  {
    says: 'aliases that are field names travel under their own name',
    file: 'gateway/federation/reserved-names.ts',
    from: "return response.startsWith('_') || fields.has(response) ? `_c_${response}` : response;",
    to: 'return response;',
    caught: SPLITS,
  },
  {
    says: 'errors of an entity stand at the first of its places only',
    file: 'gateway/federation/execute/entity-fetch.ts',
    from: 'const { index, object, path } = place;',
    to: 'const { index, object, path: own0 } = place; const path = index === 0 ? own0 : own0.slice(0, 1);',
    caught: SPLITS,
  },
  {
    says: 'equal selections are not merged before planning',
    file: 'gateway/federation/plan/normalized-selection.ts',
    from: 'if (known?.items && one.items) known.items.push(...one.items);',
    to: 'if (known?.items && one.items) known.items.push();',
    caught: SPLITS,
  },
  {
    says: 'the types of an interface are asked for what the others are asked for',
    file: 'gateway/federation/plan/narrow-plan.ts',
    from: 'const part = restricted(set, way.sets, all, needed);',
    to: 'const part = restricted(set, here.filter((one) => one !== way).flatMap(({ sets }) => sets), all, needed);',
    caught: SPLITS,
  },
  {
    says: 'the faults of the outage matrix are switched off',
    file: 'connectors/kit/testing/chaos-proxy.ts',
    from: 'fault = next;',
    to: 'fault = null;',
    caught: OUTAGE,
  },
  {
    says: 'a value of which the outage matrix sees only that it came is not marked as last known',
    file: 'connectors/kit/guard/source-guard.ts',
    from: 'return shown<T>(one, true);',
    to: 'return shown<T>(one, false);',
    caught: OUTAGE,
  },
  {
    says: 'kept values are called fresh: of one read',
    file: 'connectors/kit/guard/source-guard.ts',
    from: 'return shown<T>(one, true);',
    to: 'return shown<T>(one, false);',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'is shown, marked, while the source fails' },
  },
  {
    says: 'kept values are called fresh: facts are never stale',
    file: 'connectors/kit/guard/source-guard.ts',
    from: 'recordedAt,\n    stale,\n  });',
    to: 'recordedAt,\n    stale: stale && false,\n  });',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'keys of a batch are kept each for itself' },
  },
  {
    says: 'kept values are called fresh: what another process read is answered without asking',
    file: 'connectors/kit/guard/read-cache.ts',
    from: 'type, about: null, fresh: false,',
    to: 'type, about: null, fresh: true,',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'outlives the process where it is declared so' },
  },
  {
    says: 'kept values are called fresh: whatever their age',
    file: 'connectors/kit/guard/read-cache.ts',
    from: 'return one?.fresh && this.#age(one) < fresh ? one : null;',
    to: 'return one?.fresh ? one : null;',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'is answered while fresh, and asked anew' },
  },
  {
    says: 'mirrored values are called fresh while the source is down',
    file: 'connectors/kit/guard/source-guard.ts',
    from: "moments.age(fetchedAt) > fresh || health.state === 'DOWN';",
    to: 'moments.age(fetchedAt) > fresh;',
    caught: {
      file: 'connectors/kit/guard/source-guard.test.ts',
      name: 'mirrored data is stale when old or when the source is down',
    },
  },
  {
    says: 'the breaker ignores slowness',
    file: 'connectors/kit/guard/circuit-breaker.ts',
    from: 'fault = timed.slow;',
    to: 'fault = false;',
    caught: { file: 'connectors/kit/guard/source-guard.test.ts', name: 'slow answers open the breaker like faults' },
  },
  {
    says: 'a connector that cannot be reached is not noted for the graph',
    file: 'gateway/sources/remote-sources.ts',
    from: '      await noteOutage(plain, name, this.#name, fault);',
    to: '',
    caught: { file: 'tests/remote-sources.test.ts', name: 'a process that is stopped is DOWN everywhere' },
  },
  {
    says: 'a listener that was idle is not told what retention took',
    file: 'gateway/live/log-reader.ts',
    from: '|| performance.now() - this.#read > LONG',
    to: '',
    caught: { file: 'gateway/live/subscription-registry.test.ts', name: 'a listener that was idle for long' },
  },
  {
    says: 'a register that fell has rolled over wherever it stood',
    file: 'schema/database/energy/consumption.ts',
    from: 'AND before > 0.9 * modulus ',
    to: '',
    caught: {
      file: 'schema/database/energy/consumption.test.ts',
      name: 'has rolled over only when it was near its end',
    },
  },
  {
    says: 'a register that fell has rolled over wherever it went',
    file: 'schema/database/energy/consumption.ts',
    from: ' AND value < 0.1 * modulus',
    to: '',
    caught: {
      file: 'schema/database/energy/consumption.test.ts',
      name: 'has rolled over only when it was near its end',
    },
  },
  {
    says: 'a counter that runs backwards is taken for one that rolled over',
    file: 'connectors/energy/source/drift-detector.ts',
    from: 'before > 0.9 * modulus && ',
    to: '',
    caught: {
      file: 'connectors/energy/source/drift-detector.test.ts',
      name: 'has rolled over when it was near its end',
    },
  },
  {
    says: 'drift is looked for once and never again',
    file: 'connectors/kit/host/health-monitor.ts',
    from: 'if (this.#comparedAt !== null && services.clock.monotonic() - this.#comparedAt < pause) return;',
    to: 'if (this.#comparedAt !== null) return;',
    caught: { file: 'connectors/kit/host/health-monitor.test.ts', name: 'again each hour' },
  },
  {
    says: 'a suspicion does not bring the next comparison forward',
    file: 'connectors/kit/host/health-monitor.ts',
    from: 'const pause = this.#suspected ? Math.min(pace.drift, CLOSELY) : pace.drift;',
    to: 'const pause = pace.drift;',
    caught: { file: 'connectors/kit/host/health-monitor.test.ts', name: 'is compared again within seconds' },
  },
  {
    says: 'a column of the door system is not watched',
    file: 'connectors/access-control/source/expected.ts',
    from: "  'personnel_issuecard.cardstatus': ['Badge.active'],\n",
    to: '',
    caught: {
      file: 'connectors/access-control/source/expected.test.ts',
      name: 'the column personnel_issuecard.cardstatus is read',
    },
  },
  {
    says: 'an element of the register is not watched',
    file: 'connectors/registration/mapping.ts',
    from: "  DOM: ['Registration.address'],\n",
    to: '',
    caught: { file: 'connectors/registration/mapping.test.ts', name: 'is watched' },
  },
  {
    says: 'a part of the parking sessions is not watched',
    file: 'connectors/parking/mapping/expected.ts',
    from: "      actualStart: ['ParkingSession.enteredAt', 'VehicleEntered'],\n",
    to: '',
    caught: { file: 'connectors/parking/mapping/expected.test.ts', name: "a 'session' says something else" },
  },
  {
    says: 'the audit verifier ignores what was signed of an entry',
    file: 'gateway/trust/audit/export/verify-export.ts',
    from: 'if (mark !== undefined && mark !== hash)',
    to: 'if (mark === hash && number < 0)',
    caught: {
      file: 'gateway/trust/audit/export/verify-export.test.ts',
      name: 'hashes fit each other and not the signed statement',
    },
  },
  {
    says: 'a refusal is tried again (C8)',
    file: 'connectors/kit/guard/retry.ts',
    from: 'error.retryable &&',
    to: '',
    caught: { file: 'connectors/template/template.test.ts', name: 'C8 refused' },
  },
  {
    says: 'a source tries a refusal again by itself, below the guard (C8)',
    file: 'connectors/template/source.ts',
    from: 'const { statusCode: status } = answer;',
    to: "const { statusCode: status } = answer;\n    if (status >= 400 && !path.includes('again')) return this.#get(`${path}&again=1`, signal);",
    caught: { file: 'connectors/template/template.test.ts', name: 'C8 refused' },
  },
  {
    says: 'a source leaves a timer running, which does not keep the process alive (C3)',
    file: 'connectors/template/source.ts',
    from: 'this.#services = services;',
    to: 'this.#services = services;\n    setInterval(() => undefined, 60_000).unref();',
    caught: { file: 'connectors/template/template.test.ts', name: 'C3 opens' },
  },
  {
    says: 'the host leaves the timer of its next look running (C3)',
    file: 'connectors/kit/host/health-monitor.ts',
    from: 'stop(): void {\n    clearTimeout(this.#timer);',
    to: 'stop(): void {',
    caught: { file: 'connectors/template/template.test.ts', name: 'C3 opens' },
  },
  {
    says: 'a session with the broker leaves its ping running',
    file: 'connectors/energy/source/mqtt.ts',
    from: 'clearInterval(this.#ping);',
    to: '',
    caught: { file: 'connectors/energy/mqtt.test.ts', name: 'no payload blocks the stream' },
  },
  {
    says: 'a webhook is acknowledged before its commit (C14)',
    file: 'connectors/parking/source/inflow.ts',
    from: 'await this.#told.add(events, request.body.length);',
    to: 'void this.#told.add(events).catch(() => undefined);',
    caught: { file: 'connectors/parking/parking.test.ts', name: 'C14 webhook' },
  },
  {
    says: 'the cursor of a list moves before the commit of what it held (C14)',
    file: 'connectors/parking/source/inflow.ts',
    from: "        if (last) await state.set(tx, 'sessions', { began: kept.began, instant });",
    to: "        if (last) await transaction((other) => state.set(other, 'sessions', { began: kept.began, instant }));",
    caught: { file: 'connectors/parking/parking.test.ts', name: 'C14 poll sessions' },
  },
  {
    says: 'a message is acknowledged to the broker before its commit (C14)',
    file: 'connectors/energy/source/mqtt.ts',
    from: 'if (!this.#socket.destroyed) await this.#handlers?.batch(batch.map((one) => one.message));',
    to: 'if (!this.#socket.destroyed) void this.#handlers?.batch(batch.map((one) => one.message)).catch(() => undefined);',
    caught: { file: 'connectors/energy/conformance.test.ts', name: 'C14 poll telemetry' },
  },
  {
    says: 'registers that could not be committed are forgotten (C14)',
    file: 'connectors/energy/source/index.ts',
    from: '[...this.#unkept, ...found].slice(-MOST_UNKEPT)',
    to: '[...found]',
    caught: { file: 'connectors/energy/conformance.test.ts', name: 'C14 poll meters' },
  },
  {
    says: 'a file is moved out of the drop before its commit (C14)',
    file: 'connectors/tax/source/files.ts',
    from: 'try {\n      await this.#decide(name, digest, file);',
    to: 'if (file.taken) await this.#move(call, `claimed/${name}`, `done/${name}`);\n    try {\n      await this.#decide(name, digest, file);',
    caught: { file: 'connectors/tax/tax.test.ts', name: 'C14 drop' },
  },
  {
    says: 'a session with a PostgreSQL vendor may write',
    file: 'connectors/kit/protocols/sql.ts',
    from: "if (!readOnly.has(client)) await client.query('SET default_transaction_read_only = on');",
    to: '',
    caught: { file: 'connectors/kit/protocols/sql.test.ts', name: 'no statement of a session can write' },
  },
  {
    says: 'a session with a MySQL vendor may write',
    file: 'connectors/kit/protocols/sql.ts',
    from: "if (!readOnly.has(connection.connection)) await connection.query('SET SESSION TRANSACTION READ ONLY');",
    to: '',
    caught: { file: 'connectors/kit/protocols/sql.test.ts', name: 'a session of MySQL is set read only' },
  },
  {
    says: 'the fence of a lease always holds',
    file: 'schema/database/processes/leases.ts',
    from: 'return rows.length === 1;',
    to: 'return rows.length >= 0;',
    caught: { file: 'connectors/kit/host/job-runner.test.ts', name: 'a job whose lease another process took' },
  },
  {
    says: 'the fence of a lease looks at its owner only',
    file: 'schema/database/processes/leases.ts',
    from: 'AND owner = $2 AND fence = $3 FOR SHARE',
    to: 'AND owner = $2 AND $3::text IS NOT NULL FOR SHARE',
    caught: { file: 'connectors/kit/host/job-runner.test.ts', name: 'has another fence' },
  },
  {
    says: 'what fields return is not held against row rights',
    file: 'connectors/kit/subgraph/row-rights-check.ts',
    from: 'return row instanceof Error || rows.sees(check(row, rows));',
    to: 'return rows !== null || rows.sees(check(row, rows));',
    caught: { file: 'connectors/kit/subgraph/row-rights-check.test.ts', name: 'a row of somebody else is null' },
  },
  {
    says: 'a caller who is narrowed to parks sees every company',
    file: 'connectors/kit/row-rights.ts',
    from: 'return known.some((one) => one !== false) && Promise.all(known).then((all) => all.includes(true));',
    to: 'return true;',
    caught: { file: 'connectors/kit/row-rights.test.ts', name: 'who sees one park' },
  },
  {
    says: 'a group that gives a small one away is shown',
    file: 'connectors/kit/disclosure-control.ts',
    from: 'if (!isFew(rest.size)) break;',
    to: 'break;',
    caught: { file: 'connectors/kit/disclosure-control.test.ts', name: 'does not leave a group that is withheld' },
  },
];

/** All that are planted, by the numbers that runs name them by. */
export const ALL_MUTANTS: readonly Mutant[] = [...MUTANTS, ...RIGHTS_MUTANTS];
