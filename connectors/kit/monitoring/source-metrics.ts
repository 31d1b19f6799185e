/** Prometheus metrics of the sources that this process calls. The same names in the hub and in a connector's own process. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { HealthSnapshot } from './health.ts';

/** The state of one source. */
export interface MeasuredSource extends Pick<HealthSnapshot, 'state' | 'breaker'> {
  readonly id: string;
  /** Calls that wait in its queue. */
  readonly waiting: number;
}

interface SourceCall {
  readonly source: string;
  readonly operation: string;
  readonly milliseconds: number;
  readonly code: string | null;
}

/** Adds the metrics to the registry. `sources` is called when metrics are read. Returns a function that stops the counting. */
export function registerSourceMetrics(registry: Registry, sources: () => readonly MeasuredSource[]): () => void {
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
  const reads = new Counter({
    name: 'isthmus_source_answers_total',
    help: 'Reads by where their result came from.',
    labelNames: ['source', 'from'] as const,
    registers: [registry],
  });
  const invalid = new Counter({
    name: 'isthmus_events_invalid_total',
    help: 'Events that do not match their type: rejected on receipt (append), or skipped in the log (log).',
    labelNames: ['installation', 'found'] as const,
    registers: [registry],
  });
  const onInvalid = (event: unknown) => {
    const { installation, found, count } = event as { installation: string; found: string; count: number };
    invalid.inc({ installation, found }, count);
  };
  const rejected = new Counter({
    name: 'isthmus_refused_payloads_total',
    help: 'Rejected payloads: kept, dropped because of the byte limit, expired.',
    labelNames: ['source', 'outcome'] as const,
    registers: [registry],
  });
  const rejectedBytes = new Counter({
    name: 'isthmus_refused_payload_bytes_total',
    help: 'Bytes of rejected payloads, by the same outcomes.',
    labelNames: ['source', 'outcome'] as const,
    registers: [registry],
  });
  const addGauge = (name: string, help: string, value: (source: MeasuredSource) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['source'] as const,
      registers: [registry],
      collect() {
        // Removes the labels of sources that isthmus.yaml no longer lists.
        this.reset();
        for (const source of sources()) this.set({ source: source.id }, value(source));
      },
    });
  addGauge('isthmus_source_up', '1 up, 0.5 degraded, 0 down.', ({ state }) =>
    state === 'UP' ? 1 : state === 'DEGRADED' ? 0.5 : 0,
  );
  addGauge('isthmus_source_breaker', 'Worst circuit breaker: 0 closed, 0.5 half open, 1 open.', ({ breaker }) =>
    breaker === 'OPEN' ? 1 : breaker === 'HALF_OPEN' ? 0.5 : 0,
  );
  addGauge('isthmus_source_waiting', 'Calls that wait in the queue of a source.', ({ waiting }) => waiting);
  const onRead = (event: unknown) => {
    const { source, from } = event as { source: string; from: string };
    reads.inc({ source, from });
  };
  const onCall = (event: unknown) => {
    const { source, operation, milliseconds, code } = event as SourceCall;
    calls.observe({ source, operation, outcome: code ?? 'ok' }, milliseconds / 1000);
  };
  const onEvents = (event: unknown) => {
    const { installation, count } = event as { installation: string; count: number };
    events.inc({ installation }, count);
  };
  const onRejected = (event: unknown) => {
    const { source, outcome, count, bytes } = event as {
      source: string;
      outcome: string;
      count: number;
      bytes: number;
    };
    rejected.inc({ source, outcome }, count);
    rejectedBytes.inc({ source, outcome }, bytes);
  };
  subscribe('isthmus:payloads:refused', onRejected);
  subscribe('isthmus:source:call', onCall);
  subscribe('isthmus:source:answer', onRead);
  subscribe('isthmus:events:written', onEvents);
  subscribe('isthmus:events:invalid', onInvalid);
  return () => {
    unsubscribe('isthmus:payloads:refused', onRejected);
    unsubscribe('isthmus:source:call', onCall);
    unsubscribe('isthmus:source:answer', onRead);
    unsubscribe('isthmus:events:written', onEvents);
    unsubscribe('isthmus:events:invalid', onInvalid);
  };
}
