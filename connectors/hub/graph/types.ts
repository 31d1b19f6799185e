/** GraphQL types of the hub's own records: parks, buildings, companies, sources, cases. */
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
  description: "Use of a park's main buildings.",
  valuesConfig: {
    MANUFACTURING: { description: 'Production.' },
    WAREHOUSING: { description: 'Storage and transport.' },
    COMMERCIAL: { description: 'Offices and trade.' },
    COMPREHENSIVE: { description: 'Several of these uses.' },
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
  description: 'Kind of body that runs a park.',
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
  description: 'Status as a development zone.',
  valuesConfig: {
    NATIONAL_ECONOMIC: { description: 'National economic and technological development zone.' },
    NATIONAL_HIGH_TECH: { description: 'National high-tech zone.' },
    PROVINCIAL: { description: 'Provincial development zone.' },
    OTHER: { description: 'Another status, or none.' },
  },
});

export { SourceState };

registerEnumType(SourceState, {
  name: 'SourceState',
  description: 'Health of a source.',
  valuesConfig: {
    UP: { description: 'The source responds.' },
    DEGRADED: { description: 'The source responds, but some of its operations fail.' },
    DOWN: { description: 'The source does not respond.' },
  },
});

export enum BreakerState {
  CLOSED = 'CLOSED',
  HALF_OPEN = 'HALF_OPEN',
  OPEN = 'OPEN',
}
registerEnumType(BreakerState, {
  name: 'BreakerState',
  description: 'State of a circuit breaker.',
  valuesConfig: {
    CLOSED: { description: 'Calls are sent.' },
    HALF_OPEN: { description: 'One trial call is sent.' },
    OPEN: { description: 'Calls are rejected without being sent.' },
  },
});

export { CaseKind };

registerEnumType(CaseKind, {
  name: 'CaseKind',
  description: 'Kind of a case.',
  valuesConfig: {
    REGISTRATION: { description: 'Change of an entry in the company register.' },
    TAX_CLEARANCE: { description: 'Certificate that no tax is owed.' },
  },
});

export { CaseState };

registerEnumType(CaseState, {
  name: 'CaseState',
  description: 'State of a case.',
  valuesConfig: {
    SENT: { description: "Sent to the authority's system, without a response yet." },
    ACCEPTED: { description: 'Accepted for processing by the authority.' },
    REJECTED: { description: 'Rejected by the authority; see `reason`.' },
    WITHDRAWN: { description: 'Withdrawn.' },
    COMPLETED: { description: 'Completed.' },
  },
});

@Directive(key('id'))
@ObjectType({ description: 'A park, as declared in isthmus.yaml.', simpleResolvers: true })
export class Park {
  @Field(() => ID, { description: 'Id in isthmus.yaml.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'Name in isthmus.yaml.' }) name?: string | null;
  @Field(() => RegionCode, { nullable: true, description: 'Administrative region code.' }) region?: string | null;
  @Field(() => ParkKind, { nullable: true, description: 'Leading industry.' }) kind?: string | null;
  @Field(() => ParkFunction, { nullable: true, description: 'Use of its main buildings.' }) function?: string | null;
  @Field(() => ParkLeadership, { nullable: true, description: 'Kind of body that runs it.' }) ledBy?: string | null;
  @Field(() => ParkLevel, { nullable: true, description: 'Status as a development zone.' })
  level?: string | null;
  @Field(() => Provenance, { nullable: true, description: "hub: of the park's own fields." })
  provenance?: Provenance | null;
}

@Directive(key('id'))
@ObjectType({ description: 'A building of a park.', simpleResolvers: true })
export class Building {
  @Field(() => ID, { description: 'Id in isthmus.yaml.' }) id!: string;
  @Field(() => String, { nullable: true, description: 'Name in isthmus.yaml.' }) name?: string | null;
  @Field(() => SquareMetres, { nullable: true, description: 'Measured gross floor area.' }) floorArea?: string | null;
  @Field(() => Provenance, { nullable: true, description: "hub: of the building's own fields." })
  provenance?: Provenance | null;
}

@Directive(key('uscc'))
@ObjectType({
  description: 'A company, identified by its credit code (USCC). Each source adds its own fields.',
  simpleResolvers: true,
})
export class Company {
  @Field(() => USCC, { description: 'Credit code (USCC), the key that joins the sources.' }) uscc!: string;
}

@ObjectType({ description: 'An id of a company in a source.', simpleResolvers: true })
export class Identifier {
  @Field(() => String, { description: 'Kind of id, such as uscc, tenant-no or taxpayer-no.' }) system!: string;
  @Field(() => String, { description: 'The id.' }) value!: string;
  @Field(() => Provenance, { description: 'Source of the id, and when it was last reported.' }) provenance!: Provenance;
}

@ObjectType({ description: 'The value of a fact as reported by one source.', simpleResolvers: true })
export class ConflictValue {
  @Field(() => String, { nullable: true, description: 'Value as written by the source.' }) value!: string | null;
  @Field(() => Provenance, { description: 'Source of the value, and whether it is the authority.' })
  provenance!: Provenance;
}

@ObjectType({ description: 'A fact that sources report differently.', simpleResolvers: true })
export class Conflict {
  @Field(() => String, { description: 'Field name, such as name or address.' }) field!: string;
  @Field(() => [ConflictValue], { description: 'The value of each source.' }) values!: ConflictValue[];
}

@InputType({ description: 'Selects companies by data that the hub itself stores.' })
export class CompanyFilter {
  @Field(() => USCCFilter, { nullable: true, description: 'By credit code.' }) uscc?: USCCFilter | null;
  @Field(() => StringFilter, { nullable: true, description: 'By the name stored in the hub.' })
  name?: StringFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Reported by an installation of this park.' })
  park?: IDFilter | null;
  @Field(() => IDFilter, { nullable: true, description: 'Reported by this installation.' }) source?: IDFilter | null;
}

@Directive(key('id'))
@ObjectType({
  description: 'An installation of a legacy system, and its health.',
  simpleResolvers: true,
})
export class Source {
  @Field(() => ID, { description: "The installation's id in isthmus.yaml." }) id!: string;
  @Field(() => String, { description: 'The connector: access-control, parking, registration, tax, energy.' })
  system!: string;
  @Field(() => String, { description: 'Protocol, such as sql, onvif, apds, x-road, sftp, modbus, mqtt.' })
  protocol!: string;
  @Field(() => SourceState, { description: 'Current health.' }) state!: string;
  @Field(() => DateTime, { description: 'Time since which it is in this state.' }) since!: Date;
  @Field(() => String, { nullable: true, description: 'Why it is not UP; null if it is.' })
  reason!: string | null;
  @Field(() => DateTime, { nullable: true, description: 'Time of the last successful call; null if there was none.' })
  lastSuccess!: Date | null;
  @Field(() => Duration, {
    nullable: true,
    description: 'Age of its newest record; null if the source does not report it.',
  })
  lag!: number | null;
  @Field(() => Int, { description: 'Number of failed calls in the last hour.' }) errors!: number;
  @Field(() => BreakerState, { description: 'Worst state of its circuit breakers.' }) breaker!: string;
}

@InputType({ description: "Filter on a source's state." })
export class SourceStateFilter {
  @Field(() => SourceState, { nullable: true, description: 'Equal to.' }) eq?: SourceState | null;
  @Field(() => [SourceState], { nullable: true, description: 'One of.' }) in?: SourceState[] | null;
}

@InputType({ description: 'Selects sources.' })
export class SourceFilter {
  @Field(() => IDFilter, { nullable: true, description: 'Of this park.' }) park?: IDFilter | null;
  @Field(() => StringFilter, { nullable: true, description: 'By connector.' }) system?: StringFilter | null;
  @Field(() => SourceStateFilter, { nullable: true, description: 'By state.' }) state?: SourceStateFilter | null;
}

@Directive(key('id'))
@ObjectType({
  description: 'A filing with an authority for a company, and its state. Updated by CaseChanged events.',
  simpleResolvers: true,
})
export class Case {
  @Field(() => ID, { description: 'Global id.' }) id!: string;
  @Field(() => CaseKind, { nullable: true, description: 'Kind of filing.' }) kind?: string | null;
  @Field(() => CaseState, { nullable: true, description: 'Current state.' }) state?: string | null;
  @Field(() => DateTime, { nullable: true, description: 'Time since which it is in this state.' }) since?: Date | null;
  @Field(() => String, {
    nullable: true,
    description: "Number assigned by the authority's system; null before it responds.",
  })
  receipt?: string | null;
  @Field(() => String, { nullable: true, description: "The authority's reason for a rejection." })
  reason?: string | null;
  @Field(() => Provenance, { nullable: true, description: 'Provenance: the installation that filed it.' })
  provenance?: Provenance | null;
}

export const CompanyEdge = edgeType('CompanyEdge', 'A company with its cursor.', () => Company);
export const CompanyConnection = connectionType(
  'CompanyConnection',
  'A page of companies.',
  () => Company,
  CompanyEdge,
  {
    provenance: false,
  },
);
export const CaseEdge = edgeType('CaseEdge', 'A case with its cursor.', () => Case);
export const CaseConnection = connectionType('CaseConnection', 'A page of cases.', () => Case, CaseEdge, {
  provenance: false,
});
