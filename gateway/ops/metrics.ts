/** Prometheus metrics of the hub, from what its modules publish on diagnostics channels; nobody imports this but main. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { countSources, type MeasuredSource } from '../../connectors/kit/monitoring/source-metrics.ts';

export interface Metrics {
  text(): Promise<{ type: string; body: string }>;
  close(): void;
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
  sources(): readonly MeasuredSource[];
  /** By name. */
  limits(): Readonly<Record<string, LimitUse>>;
}): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const ended = countSources(registry, gauges.sources);
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
  return {
    text: async () => ({ type: registry.contentType, body: await registry.metrics() }),
    close: () => {
      unsubscribe('isthmus:audit:written', onAudit);
      ended();
      registry.clear();
    },
  };
}
