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

/** One limit of this process, by its name under `limits` in isthmus.yaml. */
export interface LimitUse {
  readonly most: number;
  readonly held: number;
  /** How often something was refused, put off or put out for it. */
  readonly refused: number;
}

/** Listens from now on. `gauges` are read when metrics are asked for. */
export function startMetrics(gauges: {
  sockets(): number;
  position(): bigint;
  sources(): { id: string; state: string; breaker: string; waiting: number }[];
  /** By name. */
  limits(): Readonly<Record<string, LimitUse>>;
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
  const limitGauge = (name: string, help: string, of: (one: LimitUse) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['limit'] as const,
      registers: [registry],
      collect() {
        for (const [limit, one] of Object.entries(gauges.limits())) this.set({ limit }, of(one));
      },
    });
  limitGauge('isthmus_limit_held', 'What this process holds, in the unit of the limit.', (one) => one.held);
  limitGauge('isthmus_limit_most', 'What it may hold at most.', (one) => one.most);
  limitGauge('isthmus_limit_refused', 'How often there was no room, since the start.', (one) => one.refused);
  new Gauge({
    name: 'isthmus_read_cache_evictions',
    help: 'Readings that were put out of the read cache to make room, since the start.',
    registers: [registry],
    collect() {
      this.set(gauges.limits()['readCache']?.refused ?? 0);
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
  return {
    text: async () => ({ type: registry.contentType, body: await registry.metrics() }),
    close: () => {
      unsubscribe('isthmus:audit:written', onAudit);
      unsubscribe('isthmus:source:call', onCall);
      unsubscribe('isthmus:source:answer', onAnswer);
      unsubscribe('isthmus:events:written', onEvents);
      registry.clear();
    },
  };
}
