/** From what an operation touched to entries of the audit log: one for what was shown, one for what was masked, one for what was refused. */
import { createHash } from 'node:crypto';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import type { Access, AuditLog } from './audit-log.ts';
import type { Outcome } from './hash-chain.ts';
import type { AuditWatch } from './protected-fields.ts';

/** One way in which fields were read; as `gateway/federation` tells it. */
export interface AuditTouch {
  readonly fields: ReadonlySet<string>;
  readonly subjects: ReadonlyMap<string, ReadonlySet<string>>;
}

/** All ways in which an operation read protected fields; null where it did not. */
export interface AuditTouched {
  readonly shown: AuditTouch | null;
  readonly masked: AuditTouch | null;
  readonly refused: AuditTouch | null;
}

/** One answered operation. */
export interface Accessed {
  readonly touched: AuditTouched;
  readonly principal: Principal;
  /** All who get the answer, when it is more than one: the members of a group of subscribers. */
  readonly readers?: readonly { readonly subject: string; readonly client: string }[] | undefined;
  /** The operation's text, as the client sent it. */
  readonly query: string;
}

/** Writes down what operations touch. */
export class Audit {
  readonly watch: AuditWatch;
  readonly #log: AuditLog;

  constructor(watch: AuditWatch, log: AuditLog) {
    this.watch = watch;
    this.#log = log;
  }

  /** Resolves once every entry is on disk: only then may the answer leave. Rejects with `HubError`. */
  async record(accessed: Accessed): Promise<void> {
    await Promise.all(entriesOf(accessed, this.watch).map((entry) => this.#log.record(entry)));
  }
}

/** The entries that tell of this access. */
export function entriesOf({ touched, principal, readers, query }: Accessed, watch: AuditWatch): Access[] {
  const operation = createHash('sha256').update(query).digest('hex');
  const { subject, client } = principal;
  const who = new Map((readers ?? [{ subject, client }]).map((one) => [`${one.subject}\0${one.client}`, one]));
  const ways: [Outcome, AuditTouch | null][] = [
    ['ALLOWED', touched.shown],
    ['MASKED', touched.masked],
    ['REFUSED', touched.refused],
  ];
  return ways.flatMap(([outcome, touch]): Access[] => {
    if (!touch) return [];
    const fields = [...touch.fields];
    const companies = [...(touch.subjects.get(watch.owner.type) ?? [])];
    const purposes = [...new Set(fields.flatMap((field) => watch.purposes.get(field) ?? []))].sort();
    const own = principal.companies?.filter((one) => companies.includes(one)) ?? [];
    return [
      {
        who: [...who.values()],
        onBehalfOf: own,
        purpose: principal.purpose ?? (purposes.join(' ') || null),
        basis: basisOf(
          principal,
          purposes,
          principal.roles.includes('company') && companies.length > 0 && own.length === companies.length,
          outcome,
        ),
        operation,
        entities: Object.fromEntries([...touch.subjects].map(([type, ids]) => [type, [...ids]])),
        fields,
        outcome,
      },
    ];
  });
}

/** On what ground it was shown: the company's own data, its consent, or the caller's role. */
function basisOf(principal: Principal, purposes: readonly string[], own: boolean, outcome: Outcome): string {
  if (outcome === 'REFUSED') return 'none';
  if (own) return 'own';
  if (purposes.length > 0) return purposes.map((one) => `consent:${one}`).join(' ');
  return `role:${principal.roles.join('+')}`;
}
