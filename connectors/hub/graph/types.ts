/** Parks, buildings, companies, sources, cases: what the hub itself answers for. */
import { Directive, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { key } from '../../../schema/graph/directives.ts';
import { CaseKind, CaseState, SourceState } from '../../../schema/graph/enums.ts';
import { DateTime, Duration, RegionCode, SquareMetres, USCC } from '../../../schema/graph/scalars.ts';
import {
  connectionType,
  edgeType,
  IDFilter,
  Provenance,
  StringFilter,
  USCCFilter,
} from '../../../schema/graph/shared.ts';

export enum ParkKind {
  SOFTWARE = 'SOFTWARE',
  LOGISTICS = 'LOGISTICS',
  CHEMICAL = 'CHEMICAL',
  CULTURAL_CREATIVE = 'CULTURAL_CREATIVE',
  HIGH_TECH = 'HIGH_TECH',
  FILM_TELEVISION = 'FILM_TELEVISION',
  MEDICAL = 'MEDICAL',
  ANIMATION = 'ANIMATION',
  MIXED = 'MIXED',
}
registerEnumType(ParkKind, {
  name: 'ParkKind',
  description: 'Leading industry of a park.',
  valuesConfig: {
    SOFTWARE: { description: 'Software and information services.' },
    LOGISTICS: { description: 'Logistics.' },
    CHEMICAL: { description: 'Chemical industry.' },
    CULTURAL_CREATIVE: { description: 'Cultural and creative industries.' },
    HIGH_TECH: { description: 'High technology.' },
    FILM_TELEVISION: { description: 'Film and television.' },
    MEDICAL: { description: 'Medicine and medical devices.' },
    ANIMATION: { description: 'Animation and games.' },
    MIXED: { description: 'No single leading industry.' },
  },
});

export enum ParkFunction {
  MANUFACTURING = 'MANUFACTURING',
  WAREHOUSING = 'WAREHOUSING',
  COMMERCIAL = 'COMMERCIAL',
  COMPREHENSIVE = 'COMPREHENSIVE',
}
registerEnumType(ParkFunction, {
  name: 'ParkFunction',
  description: "What a park's main buildings serve.",
  valuesConfig: {
    MANUFACTURING: { description: 'Production.' },
    WAREHOUSING: { description: 'Storage and transport.' },
    COMMERCIAL: { description: 'Offices and trade.' },
    COMPREHENSIVE: { description: 'Several of these.' },
  },
});

export enum ParkLeadership {
  GOVERNMENT = 'GOVERNMENT',
  REAL_ESTATE = 'REAL_ESTATE',
  LARGE_ENTERPRISE = 'LARGE_ENTERPRISE',
  SMALL_MICRO = 'SMALL_MICRO',
}
registerEnumType(ParkLeadership, {
  name: 'ParkLeadership',
  description: 'Who leads a park.',
  valuesConfig: {
    GOVERNMENT: { description: 'A government body.' },
    REAL_ESTATE: { description: 'A real estate developer.' },
    LARGE_ENTERPRISE: { description: 'A large enterprise.' },
    SMALL_MICRO: { description: 'A base for small and micro enterprises.' },
  },
});

export enum ParkLevel {
  NATIONAL_ECONOMIC = 'NATIONAL_ECONOMIC',
  NATIONAL_HIGH_TECH = 'NATIONAL_HIGH_TECH',
  PROVINCIAL = 'PROVINCIAL',
  OTHER = 'OTHER',
}
registerEnumType(ParkLevel, {
  name: 'ParkLevel',
  description: 'Standing as a development zone.',
  valuesConfig: {
    NATIONAL_ECONOMIC: { description: 'National economic and technological development zone.' },
    NATIONAL_HIGH_TECH: { description: 'National high-tech zone.' },
    PROVINCIAL: { description: 'Provincial development zone.' },
    OTHER: { description: 'Another standing, or none.' },
  },
});

export { SourceState };

registerEnumType(SourceState, {
  name: 'SourceState',
  description: 'Whether a source answers.',
  valuesConfig: {
    UP: { description: 'It answers.' },
    DEGRADED: { description: 'It answers, but some of its operations fail.' },
    DOWN: { description: 'It does not answer.' },
  },
});

export enum BreakerState {
  CLOSED = 'CLOSED',
  HALF_OPEN = 'HALF_OPEN',
  OPEN = 'OPEN',
}
registerEnumType(BreakerState, {
  name: 'BreakerState',
  description: 'Circuit breaker: CLOSED lets calls through.',
  valuesConfig: {
    CLOSED: { description: 'Calls go through.' },
    HALF_OPEN: { description: 'One call tries whether it works again.' },
    OPEN: { description: 'Calls are refused at once.' },
  },
});

export { CaseKind };

registerEnumType(CaseKind, {
  name: 'CaseKind',
  description: 'What is filed.',
  valuesConfig: {
    REGISTRATION: { description: 'A change of an entry in the register.' },
    TAX_CLEARANCE: { description: 'A certificate that no tax is owed.' },
  },
});

export { CaseState };

registerEnumType(CaseState, {
  name: 'CaseState',
  description: 'How far a case has come.',
  valuesConfig: {
    SENT: { description: "With the authority's system, not answered yet." },
    ACCEPTED: { description: 'Taken up by the authority.' },
    REJECTED: { description: 'Refused by the authority; `reason` says why.' },
    WITHDRAWN: { description: 'Taken back.' },
    COMPLETED: { description: 'Done.' },
  },
});

@Directive(key('id'))
@ObjectType({ description: 'A park, as set up in isthmus.yaml.', simpleResolvers: true })
export class Park {
  @Field(() => ID, { description: 'As in isthmus.yaml.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'As in isthmus.yaml.' }) name?: string | null;
  @Field(() => RegionCode, { nullable: true, description: 'Where it lies.' }) region?: string | null;
  @Field(() => ParkKind, { nullable: true, description: 'Leading industry.' }) kind?: string | null;
  @Field(() => ParkFunction, { nullable: true, description: 'What its main buildings serve.' }) function?:
    | string
    | null;
  @Field(() => ParkLeadership, { nullable: true, description: 'Who leads it.' }) ledBy?: string | null;
  @Field(() => ParkLevel, { nullable: true, description: 'National, provincial or other development zone.' })
  level?: string | null;
  @Field(() => Provenance, { nullable: true, description: "hub: of the park's own fields." })
  provenance?: Provenance | null;
}

@Directive(key('id'))
@ObjectType({ description: 'A building of a park.', simpleResolvers: true })
export class Building {
  @Field(() => ID, { description: 'As in isthmus.yaml.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'As in isthmus.yaml.' }) name?: string | null;
  @Field(() => SquareMetres, { nullable: true, description: 'Measured gross floor area.' }) floorArea?: string | null;
  @Field(() => Provenance, { nullable: true, description: "hub: of the building's own fields." })
  provenance?: Provenance | null;
}

@Directive(key('uscc'))
@ObjectType({
  description: 'A company, known by its credit code; each island adds what it knows.',
  simpleResolvers: true,
})
export class Company {
  @Field(() => USCC, { description: 'The key that joins the islands.' }) uscc!: string;
}

@ObjectType({ description: 'One id under which an island knows a company.', simpleResolvers: true })
export class Identifier {
  @Field(() => String, { description: 'Kind of id, such as uscc, tenant-no or taxpayer-no.' }) system!: string;
  @Field(() => String, { description: 'The id itself.' }) value!: string;
  @Field(() => Provenance, { description: 'Which island said so, and when it last did.' }) provenance!: Provenance;
}

@ObjectType({ description: "One island's version.", simpleResolvers: true })
export class ConflictValue {
  @Field(() => String, { nullable: true, description: 'As the island writes it.' }) value!: string | null;
  @Field(() => Provenance, { description: 'Which island says so, and whether it is the authority.' })
  provenance!: Provenance;
}

@ObjectType({ description: 'A fact told differently by several islands.', simpleResolvers: true })
export class Conflict {
  @Field(() => String, { description: 'Such as name or address.' }) field!: string;
  @Field(() => [ConflictValue], { description: 'What each island says.' }) values!: ConflictValue[];
}

@InputType({ description: 'What may be asked of a list of companies: only what the hub itself knows.' })
export class CompanyFilter {
  @Field(() => USCCFilter, { nullable: true, description: 'By credit code.' }) uscc?: USCCFilter | null;
  @Field(() => StringFilter, { nullable: true, description: 'By the name kept in the hub.' })
  name?: StringFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Known to an installation of this park.' })
  park?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Known to this installation.' }) source?: IDFilter | null;
}

@Directive(key('id'))
@ObjectType({
  description: 'One legacy system at one place (an installation) and how it is doing.',
  simpleResolvers: true,
})
export class Source {
  @Field(() => ID, { description: "The installation's id in isthmus.yaml." }) id!: string;
  @Field(() => String, { description: 'The connector: access-control, parking, registration, tax, energy.' })
  system!: string;
  @Field(() => String, { description: 'What it speaks, such as sql, onvif, apds, x-road, sftp, modbus, mqtt.' })
  protocol!: string;
  @Field(() => SourceState, { description: 'Whether it answers.' }) state!: string;
  @Field(() => DateTime, { description: 'In this state since.' }) since!: Date;
  @Field(() => String, { nullable: true, description: 'Why it is not UP, in our words; null when it is.' })
  reason!: string | null;
  @Field(() => DateTime, { nullable: true, description: 'When a call last succeeded; null when none has.' })
  lastSuccess!: Date | null;
  @Field(() => Duration, {
    nullable: true,
    description: 'How far its newest record is behind now; null when it does not tell.',
  })
  lag!: number | null;
  @Field(() => Int, { description: 'Failed calls in the last hour.' }) errors!: number;
  @Field(() => BreakerState, { description: 'The worst of its circuit breakers.' }) breaker!: string;
}

@InputType({ description: "Tests on a source's state." })
export class SourceStateFilter {
  @Field(() => SourceState, { nullable: true, description: 'Equal to.' }) eq?: SourceState | null;
  @Field(() => [SourceState], { nullable: true, description: 'One of.' }) in?: SourceState[] | null;
}

@InputType({ description: 'Which sources.' })
export class SourceFilter {
  @Field(() => IDFilter, { nullable: true, description: 'Of this park.' }) park?: IDFilter | null;
  @Field(() => StringFilter, { nullable: true, description: 'By connector.' }) system?: StringFilter | null;
  @Field(() => SourceStateFilter, { nullable: true, description: 'By state.' }) state?: SourceStateFilter | null;
}

@Directive(key('id'))
@ObjectType({
  description:
    'Something filed with an authority for a company, and how far it has come. Follows the CaseChanged events.',
  simpleResolvers: true,
})
export class Case {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => CaseKind, { nullable: true, description: 'What is filed.' }) kind?: string | null;
  @Field(() => CaseState, { nullable: true, description: 'How far it has come.' }) state?: string | null;
  @Field(() => DateTime, { nullable: true, description: 'In this state since.' }) since?: Date | null;
  @Field(() => String, {
    nullable: true,
    description: "Number given by the authority's system, null until it has answered.",
  })
  receipt?: string | null;
  @Field(() => String, { nullable: true, description: "The authority's reason for a refusal, in our words." })
  reason?: string | null;
  @Field(() => Provenance, { nullable: true, description: 'Of the island that speaks with the authority.' })
  provenance?: Provenance | null;
}

export const CompanyEdge = edgeType('CompanyEdge', 'A company and its place.', () => Company);
export const CompanyConnection = connectionType(
  'CompanyConnection',
  'A page of companies.',
  () => Company,
  CompanyEdge,
  {
    provenance: false,
  },
);
export const CaseEdge = edgeType('CaseEdge', 'A case and its place.', () => Case);
export const CaseConnection = connectionType('CaseConnection', 'A page of cases.', () => Case, CaseEdge, {
  provenance: false,
});
