/** Turns the protected fields that an operation read into audit records: one each for visible, masked and denied fields. */
import { createHash } from 'node:crypto';
import type { Principal } from '../../../connectors/kit/auth/principal.ts';
import type { AccessRecord, AuditLog } from './audit-log.ts';
import type { Outcome } from './hash-chain.ts';
import type { ProtectedFields } from './protected-fields.ts';

/** Protected fields with one outcome, as `gateway/federation` collects them. */
export interface AccessedFields {
  /** Coordinates, such as `TaxAccount.standing`. */
  readonly fields: ReadonlySet<string>;
  /** Ids of the entities, by type. */
  readonly subjects: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The protected fields of an operation by outcome; null: none with this outcome. */
export interface AccessOutcomes {
  readonly visible: AccessedFields | null;
  readonly masked: AccessedFields | null;
  readonly denied: AccessedFields | null;
}

/** One executed operation. */
export interface OperationAccess {
  readonly outcomes: AccessOutcomes;
  readonly principal: Principal;
  /** All recipients of the response, if there are several: the members of a subscription group. */
  readonly readers?: readonly { readonly subject: string; readonly client: string }[] | undefined;
  /** The operation's text, as the client sent it. */
  readonly query: string;
}

/** Records accesses to protected fields. */
export class AccessRecorder {
  readonly protectedFields: ProtectedFields;
  readonly #log: AuditLog;

  constructor(protectedFields: ProtectedFields, log: AuditLog) {
    this.protectedFields = protectedFields;
    this.#log = log;
  }

  /** Resolves when all entries are on disk; the response must wait for it. Rejects with `HubError`. */
  async record(access: OperationAccess): Promise<void> {
    await Promise.all(toAccessRecords(access, this.protectedFields).map((entry) => this.#log.record(entry)));
  }
}

type Reader = NonNullable<OperationAccess['readers']>[number];

/** By list: a subscription group passes the same one with each event while nobody joins or leaves. */
const distinctByList = new WeakMap<readonly Reader[], readonly Reader[]>();

/** The readers, each once. The list must not be changed afterwards. */
function distinctReaders(readers: readonly Reader[]): readonly Reader[] {
  let distinct = distinctByList.get(readers);
  if (!distinct) {
    distinct = [...new Map(readers.map((reader) => [`${reader.subject}\0${reader.client}`, reader])).values()];
    distinctByList.set(readers, distinct);
  }
  return distinct;
}

/** The records of an operation: one for each outcome. */
export function toAccessRecords(
  { outcomes, principal, readers, query }: OperationAccess,
  protectedFields: ProtectedFields,
): AccessRecord[] {
  const operation = createHash('sha256').update(query).digest('hex');
  const { subject, client } = principal;
  const who = readers ? distinctReaders(readers) : [{ subject, client }];
  const byOutcome: [Outcome, AccessedFields | null][] = [
    ['ALLOWED', outcomes.visible],
    ['MASKED', outcomes.masked],
    ['REFUSED', outcomes.denied],
  ];
  return byOutcome.flatMap(([outcome, accessed]): AccessRecord[] => {
    if (!accessed) return [];
    const fields = [...accessed.fields];
    const companies = [...(accessed.subjects.get(protectedFields.owner.type) ?? [])];
    const purposes = [...new Set(fields.flatMap((field) => protectedFields.purposes.get(field) ?? []))].sort();
    const ownCompanies = principal.companies?.filter((company) => companies.includes(company)) ?? [];
    return [
      {
        who,
        onBehalfOf: ownCompanies,
        purpose: principal.purpose ?? (purposes.join(' ') || null),
        basis: legalBasis(
          principal,
          purposes,
          principal.roles.includes('company') && companies.length > 0 && ownCompanies.length === companies.length,
          outcome,
        ),
        operation,
        entities: Object.fromEntries([...accessed.subjects].map(([type, ids]) => [type, [...ids]])),
        fields,
        outcome,
      },
    ];
  });
}

/** Why the access was allowed: the company's own data, its consent, or the caller's role; `none` for denied fields. */
function legalBasis(principal: Principal, purposes: readonly string[], isOwnData: boolean, outcome: Outcome): string {
  if (outcome === 'REFUSED') return 'none';
  if (isOwnData) return 'own';
  if (purposes.length > 0) return purposes.map((purpose) => `consent:${purpose}`).join(' ');
  return `role:${principal.roles.join('+')}`;
}
