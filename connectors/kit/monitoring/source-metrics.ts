/** Prometheus metrics of the sources that a process asks: the same names in the hub and in a connector's own process. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { HealthSnapshot } from '../health.ts';

/** How one source is doing, as metrics show it. */
export interface MeasuredSource extends Pick<HealthSnapshot, 'state' | 'breaker'> {
  readonly id: string;
  /** Calls that wait for a place. */
  readonly waiting: number;
}

interface CallFact {
  readonly source: string;
  readonly operation: string;
  readonly milliseconds: number;
  readonly code: string | null;
}

/** Counts in the registry from now on. `sources` is asked when metrics are read. Returns what ends it. */
export function countSources(registry: Registry, sources: () => readonly MeasuredSource[]): () => void {
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
  const answers = new Counter({
    name: 'isthmus_source_answers_total',
    help: 'Answers by where they came from.',
    labelNames: ['source', 'from'] as const,
    registers: [registry],
  });
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
  const refused = new Counter({
    name: 'isthmus_refused_payloads_total',
    help: 'Refused payloads: kept, dropped by the bound of bytes, expired.',
    labelNames: ['source', 'outcome'] as const,
    registers: [registry],
  });
  const refusedBytes = new Counter({
    name: 'isthmus_refused_payload_bytes_total',
    help: 'Bytes of refused payloads, by the same outcomes.',
    labelNames: ['source', 'outcome'] as const,
    registers: [registry],
  });
  const each = (name: string, help: string, value: (source: MeasuredSource) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['source'] as const,
      registers: [registry],
      collect() {
        // Sources come and go with isthmus.yaml.
        this.reset();
        for (const source of sources()) this.set({ source: source.id }, value(source));
      },
    });
  each('isthmus_source_up', '1 up, 0.5 degraded, 0 down.', ({ state }) =>
    state === 'UP' ? 1 : state === 'DEGRADED' ? 0.5 : 0,
  );
  each('isthmus_source_breaker', 'Worst circuit breaker: 0 closed, 0.5 half open, 1 open.', ({ breaker }) =>
    breaker === 'OPEN' ? 1 : breaker === 'HALF_OPEN' ? 0.5 : 0,
  );
  each('isthmus_source_waiting', 'Calls that wait for a place.', ({ waiting }) => waiting);
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
  const onRefused = (fact: unknown) => {
    const { source, outcome, count, bytes } = fact as { source: string; outcome: string; count: number; bytes: number };
    refused.inc({ source, outcome }, count);
    refusedBytes.inc({ source, outcome }, bytes);
  };
  subscribe('isthmus:payloads:refused', onRefused);
  subscribe('isthmus:source:call', onCall);
  subscribe('isthmus:source:answer', onAnswer);
  subscribe('isthmus:events:written', onEvents);
  subscribe('isthmus:events:invalid', onInvalid);
  return () => {
    unsubscribe('isthmus:payloads:refused', onRefused);
    unsubscribe('isthmus:source:call', onCall);
    unsubscribe('isthmus:source:answer', onAnswer);
    unsubscribe('isthmus:events:written', onEvents);
    unsubscribe('isthmus:events:invalid', onInvalid);
  };
}
