/** The check of row rights taken out in one place at a time; the generated test of row rights must notice each. */
import type { Mutant } from './list.ts';

const caught = (name: string): Mutant['caught'] => ({ file: 'tests/row-rights.test.ts', name });
const SEES = caught("'operator of lakeside' sees no other row");
const KEYS = caught("'operator of lakeside' gets nothing by the keys of other rows");
const SHARED = caught("'operator of lakeside' sees of a company that both parks know what its own park says");
const COMPANY = caught("'company of a company of lakeside' sees no other row");

export const RIGHTS_MUTANTS: readonly Mutant[] = [
  {
    says: 'who is narrowed to parks sees companies of every park',
    file: 'connectors/kit/row-rights.ts',
    from: 'if (parks === null) return true;',
    to: 'if (parks === null || (park === undefined && company !== undefined)) return true;',
    caught: KEYS,
  },
  {
    says: 'the park of a row is not looked at',
    file: 'connectors/kit/row-rights.ts',
    from: 'if (park !== undefined) return park !== null && parks.includes(park);',
    to: 'if (park !== undefined) return true;',
    caught: SEES,
  },
  {
    says: 'the company of a row is not looked at',
    file: 'connectors/kit/row-rights.ts',
    from: 'if (companies !== null && company !== undefined && !listOf(company).some((one) => companies.includes(one)))\n      return false;',
    to: '',
    caught: COMPANY,
  },
  {
    says: 'what fields return is not checked',
    file: 'connectors/kit/subgraph/row-rights-check.ts',
    from: 'const through = (value: unknown, { rows }: Context): unknown =>',
    to: 'const through = (value: unknown, { rows }: Context): unknown => rows !== null ? value :',
    caught: SEES,
  },
  {
    says: 'entities found by their keys are not checked',
    file: 'connectors/kit/subgraph/row-rights-check.ts',
    from: 'return rule === null || rule === PART ? null : rowOr(rule);',
    to: 'return null;',
    caught: caught("'operator of lakeside' gets nothing of other rows from the subgraphs themselves"),
  },
  {
    says: 'installations of other parks are asked',
    file: 'connectors/kit/subgraph/visible-installations.ts',
    from: "place && (place.config.connector === 'hub' || mayPark(call.principal, place.config.park)) ? place : undefined;",
    to: 'place;',
    caught: caught("'operator of lakeside' changes nothing of other rows, and is shown none"),
  },
  {
    says: 'identifiers of other parks are shown',
    file: 'connectors/hub/source.ts',
    from: '.filter(({ park }) => mayPark(principal, park)),',
    to: ',',
    caught: SHARED,
  },
  {
    says: 'facts of other parks are compared',
    file: 'connectors/hub/source.ts',
    from: '(principal.parks === null || (park !== null && mayPark(principal, park))) &&',
    to: '(park === null || park !== null) &&',
    caught: SHARED,
  },
  {
    says: 'cases of other parks are listed',
    file: 'connectors/hub/source.ts',
    from: 'hub.casePage(tx, uscc, principal.parks, pageOf(page))',
    to: 'hub.casePage(tx, uscc, null, pageOf(page))',
    caught: SHARED,
  },
  {
    says: 'companies of other parks are listed',
    file: 'connectors/hub/source.ts',
    from: '...(parks === null ? {} : { park: both(parks, query.park) }),',
    to: '',
    caught: SEES,
  },
  {
    says: 'other companies are listed',
    file: 'connectors/hub/source.ts',
    from: '...(companies === null ? {} : { uscc: both(companies, query.uscc) }),',
    to: '',
    caught: COMPANY,
  },
  {
    says: 'events of other parks are told',
    file: 'connectors/hub/source.ts',
    from: "...(parks === null ? {} : { park: both(parks, list('park')) }),",
    to: '',
    caught: caught("'operator of lakeside' is told the events of its own rows, and of no other"),
  },
  {
    says: 'events of other companies are told',
    file: 'connectors/hub/source.ts',
    from: "...(companies === null ? {} : { company: both(companies, list('company')) }),",
    to: '',
    caught: caught("'company of a company of lakeside' is told the events of its own rows, and of no other"),
  },
  {
    says: 'persons of other companies are listed',
    file: 'connectors/access-control/graph/pages.ts',
    from: '.filter(({ person }) => mayCompany(context.principal, person.company))',
    to: '',
    caught: COMPANY,
  },
  {
    says: 'meters of other companies are listed',
    file: 'connectors/energy/graph/index.ts',
    from: 'companies: context.principal.companies ?? undefined,',
    to: 'companies: undefined,',
    caught: COMPANY,
  },
  {
    says: 'rows of other companies are listed of systems by configuration',
    file: 'connectors/configured/core/subgraph-builder.ts',
    from: 'if (context.rows.all) return found;',
    to: 'if (context.rows) return found;',
    caught: COMPANY,
  },
  {
    says: 'whose a passage was is told to who may not know',
    file: 'connectors/hub/graph/present.ts',
    from: '...(mayIdentify(context.principal, row.kind) ? {} : { company: null }),',
    to: '',
    caught: caught('an analyst learns of no passage and no drive whose it was'),
  },
  {
    says: 'events are found by company by who may not know whose they are',
    file: 'connectors/hub/source.ts',
    from: '&& (!identifies || mayIdentify(principal, kind)),',
    to: ',',
    caught: caught('an analyst learns of no passage and no drive whose it was'),
  },
  {
    says: "the plate's vehicle is told in the payload of a permit",
    file: 'connectors/parking/graph/index.ts',
    from: "permit: unmasked(context.principal, 'Vehicle.plate') ? permit : { ...permit, vehicle: byPlate() },",
    to: 'permit,',
    caught: caught('a token that may not read plates learns of none by granting a permit'),
  },
];
