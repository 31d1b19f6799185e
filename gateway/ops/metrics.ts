/** Prometheus metrics from what the rooms tell on diagnostics channels; nobody imports this but main. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  text(): Promise<{ type: string; body: string }>;
  close(): void;
}

interface CallFact {
  readonly source: string;
  readonly operation: string;
  readonly milliseconds: number;
  readonly code: string | null;
}

/** Listens from now on. `gauges` are read when metrics are asked for. */
export function startMetrics(gauges: {
  sockets(): number;
  position(): bigint;
  sources(): { id: string; state: string; breaker: string; waiting: number }[];
}): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const calls = new Histogram({
    name: 'isthmus_source_call_seconds',
    help: 'Calls to legacy systems.',
    labelNames: ['source', 'operation', 'outcome'] as const,
    buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
  const events = new Counter({
    name: 'isthmus_events_total',
    help: 'Events written to the log.',
    labelNames: ['installation'] as const,
    registers: [registry],
  });
  new Gauge({
    name: 'isthmus_sockets',
    help: 'Open WebSockets.',
    registers: [registry],
    collect() {
      this.set(gauges.sockets());
    },
  });
  new Gauge({
    name: 'isthmus_log_position',
    help: 'Newest position of the event log.',
    registers: [registry],
    collect() {
      this.set(Number(gauges.position()));
    },
  });
  new Gauge({
    name: 'isthmus_source_up',
    help: '1 up, 0.5 degraded, 0 down.',
    labelNames: ['source'] as const,
    registers: [registry],
    collect() {
      for (const source of gauges.sources())
        this.set({ source: source.id }, source.state === 'UP' ? 1 : source.state === 'DEGRADED' ? 0.5 : 0);
    },
  });
  new Gauge({
    name: 'isthmus_source_breaker',
    help: 'Worst circuit breaker: 0 closed, 0.5 half open, 1 open.',
    labelNames: ['source'] as const,
    registers: [registry],
    collect() {
      for (const source of gauges.sources())
        this.set({ source: source.id }, source.breaker === 'OPEN' ? 1 : source.breaker === 'HALF_OPEN' ? 0.5 : 0);
    },
  });
  new Gauge({
    name: 'isthmus_source_waiting',
    help: 'Calls that wait for a place.',
    labelNames: ['source'] as const,
    registers: [registry],
    collect() {
      for (const source of gauges.sources()) this.set({ source: source.id }, source.waiting);
    },
  });
  const answers = new Counter({
    name: 'isthmus_source_answers_total',
    help: 'Answers by where they came from.',
    labelNames: ['source', 'from'] as const,
    registers: [registry],
  });
  const onAnswer = (fact: unknown) => {
    const { source, from } = fact as { source: string; from: string };
    answers.inc({ source, from });
  };
  const onCall = (fact: unknown) => {
    const { source, operation, milliseconds, code } = fact as CallFact;
    calls.observe({ source, operation, outcome: code ?? 'ok' }, milliseconds / 1000);
  };
  const onEvents = (fact: unknown) => {
    const { installation, count } = fact as { installation: string; count: number };
    events.inc({ installation }, count);
  };
  const invalid = new Counter({
    name: 'isthmus_events_invalid_total',
    help: 'Events that do not fit their type: refused when they came in (append), or found in the log and passed over (log).',
    labelNames: ['installation', 'found'] as const,
    registers: [registry],
  });
  const onInvalid = (fact: unknown) => {
    const { installation, found, count } = fact as { installation: string; found: string; count: number };
    invalid.inc({ installation, found }, count);
  };
  const written = new Histogram({
    name: 'isthmus_audit_write_seconds',
    help: 'Writes of the audit log, each of one entry or more.',
    labelNames: ['outcome'] as const,
    buckets: [0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1, 5],
    registers: [registry],
  });
  const entries = new Counter({
    name: 'isthmus_audit_entries_total',
    help: 'Entries of the audit log, and those that could not be written.',
    labelNames: ['outcome'] as const,
    registers: [registry],
  });
  const onAudit = (fact: unknown) => {
    const { count, milliseconds, failed } = fact as { count: number; milliseconds: number; failed: boolean };
    const outcome = failed ? 'failed' : 'written';
    written.observe({ outcome }, milliseconds / 1000);
    entries.inc({ outcome }, count);
  };
  subscribe('isthmus:audit:written', onAudit);
  subscribe('isthmus:source:call', onCall);
  subscribe('isthmus:source:answer', onAnswer);
  subscribe('isthmus:events:written', onEvents);
  subscribe('isthmus:events:invalid', onInvalid);
  return {
    text: async () => ({ type: registry.contentType, body: await registry.metrics() }),
    close: () => {
      unsubscribe('isthmus:audit:written', onAudit);
      unsubscribe('isthmus:source:call', onCall);
      unsubscribe('isthmus:source:answer', onAnswer);
      unsubscribe('isthmus:events:written', onEvents);
      unsubscribe('isthmus:events:invalid', onInvalid);
      registry.clear();
    },
  };
}
