/** Prometheus metrics of the hub, from gauges and from the diagnostics channels of its modules. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type MeasuredSource, registerSourceMetrics } from '../../connectors/kit/monitoring/source-metrics.ts';

export interface Metrics {
  text(): Promise<{ type: string; body: string }>;
  close(): void;
}

/** The use of one limit of this process, in the unit of the limit. */
export interface LimitUse {
  readonly limit: number;
  readonly used: number;
  /** How often something was rejected, delayed or evicted because of it. */
  readonly rejections: number;
}

/** Starts to count. `gauges` are read at each scrape. */
export function startMetrics(gauges: {
  sockets(): number;
  position(): bigint;
  sources(): readonly MeasuredSource[];
  /** By name under `limits` in isthmus.yaml. */
  limits(): Readonly<Record<string, LimitUse>>;
}): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const unregisterSources = registerSourceMetrics(registry, gauges.sources);
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
  const limitGauge = (name: string, help: string, read: (usage: LimitUse) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['limit'] as const,
      registers: [registry],
      collect() {
        for (const [limit, usage] of Object.entries(gauges.limits())) this.set({ limit }, read(usage));
      },
    });
  limitGauge('isthmus_limit_held', 'Current use of the limit, in its unit.', (usage) => usage.used);
  limitGauge('isthmus_limit_most', 'The limit.', (usage) => usage.limit);
  limitGauge('isthmus_limit_refused', 'Rejections because of the limit, since the start.', (usage) => usage.rejections);
  new Gauge({
    name: 'isthmus_read_cache_evictions',
    help: 'Readings evicted from the read cache, since the start.',
    registers: [registry],
    collect() {
      this.set(gauges.limits()['readCache']?.rejections ?? 0);
    },
  });
  const written = new Histogram({
    name: 'isthmus_audit_write_seconds',
    help: 'Duration of audit log writes, each of one entry or more.',
    labelNames: ['outcome'] as const,
    buckets: [0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1, 5],
    registers: [registry],
  });
  const entries = new Counter({
    name: 'isthmus_audit_entries_total',
    help: 'Audit log entries, by outcome: written or failed.',
    labelNames: ['outcome'] as const,
    registers: [registry],
  });
  const onAudit = (message: unknown) => {
    const { count, milliseconds, failed } = message as { count: number; milliseconds: number; failed: boolean };
    const outcome = failed ? 'failed' : 'written';
    written.observe({ outcome }, milliseconds / 1000);
    entries.inc({ outcome }, count);
  };
  subscribe('isthmus:audit:written', onAudit);
  return {
    text: async () => ({ type: registry.contentType, body: await registry.metrics() }),
    close: () => {
      unsubscribe('isthmus:audit:written', onAudit);
      unregisterSources();
      registry.clear();
    },
  };
}
