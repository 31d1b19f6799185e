/** Removes the row permission check in one place at a time; the generated row permission test must notice each. */
import type { Mutant } from './list.ts';

const caught = (name: string): Mutant['caught'] => ({ file: 'tests/row-rights.test.ts', name });
const SEES = caught("'operator of lakeside' sees no foreign rows");
const KEYS = caught("'operator of lakeside' gets nothing by the keys of foreign rows");
const SHARED = caught("'operator of lakeside' sees only its own park’s records of a company known in both parks");
const COMPANY = caught("'company of a company of lakeside' sees no foreign rows");

export const RIGHTS_MUTANTS: readonly Mutant[] = [
  {
    fault: 'a caller limited to parks sees companies of every park',
    file: 'connectors/kit/auth/row-rights.ts',
    from: 'if (parks === null) return true;',
    to: 'if (parks === null || (park === undefined && company !== undefined)) return true;',
    caught: KEYS,
  },
  {
    fault: 'the park of a row is not checked',
    file: 'connectors/kit/auth/row-rights.ts',
    from: 'if (park !== undefined) return park !== null && parks.includes(park);',
    to: 'if (park !== undefined) return true;',
    caught: SEES,
  },
  {
    fault: 'the company of a row is not checked',
    file: 'connectors/kit/auth/row-rights.ts',
    from: 'if (companies !== null && company !== undefined && !listOf(company).some((one) => companies.includes(one)))\n      return false;',
    to: '',
    caught: COMPANY,
  },
  {
    fault: 'rows returned by fields are not checked',
    file: 'connectors/kit/subgraph/row-rights-check.ts',
    from: 'const through = (value: unknown, { rows }: Context): unknown =>',
    to: 'const through = (value: unknown, { rows }: Context): unknown => rows !== null ? value :',
    caught: SEES,
  },
  {
    fault: 'entities found by their keys are not checked',
    file: 'connectors/kit/subgraph/row-rights-check.ts',
    from: 'return rule === null || rule === PART ? null : filterRows(rule);',
    to: 'return null;',
    caught: caught("'operator of lakeside' gets no foreign rows directly from the subgraphs"),
  },
  {
    fault: 'installations of other parks are called',
    file: 'connectors/kit/subgraph/visible-installations.ts',
    from: "installation && (installation.config.connector === 'hub' || mayAccessPark(call.principal, installation.config.park))",
    to: 'installation',
    caught: caught("'operator of lakeside' can neither change nor see foreign rows by mutations"),
  },
  {
    fault: 'identifiers of other parks are returned',
    file: 'connectors/hub/source.ts',
    from: '.filter(({ park }) => mayAccessPark(principal, park)),',
    to: ',',
    caught: SHARED,
  },
  {
    fault: 'facts of other parks are compared',
    file: 'connectors/hub/source.ts',
    from: '(principal.parks === null || (park !== null && mayAccessPark(principal, park))) &&',
    to: '(park === null || park !== null) &&',
    caught: SHARED,
  },
  {
    fault: 'cases of other parks are listed',
    file: 'connectors/hub/source.ts',
    from: 'hub.casePage(tx, uscc, principal.parks, pageOf(page))',
    to: 'hub.casePage(tx, uscc, null, pageOf(page))',
    caught: SHARED,
  },
  {
    fault: 'companies of other parks are listed',
    file: 'connectors/hub/source.ts',
    from: '...(parks === null ? {} : { park: intersect(parks, query.park) }),',
    to: '',
    caught: SEES,
  },
  {
    fault: 'other companies are listed',
    file: 'connectors/hub/source.ts',
    from: '...(companies === null ? {} : { uscc: intersect(companies, query.uscc) }),',
    to: '',
    caught: COMPANY,
  },
  {
    fault: 'events of other parks are delivered',
    file: 'connectors/hub/source.ts',
    from: "...(parks === null ? {} : { park: intersect(parks, list('park')) }),",
    to: '',
    caught: caught("'operator of lakeside' receives exactly the events of its own rows"),
  },
  {
    fault: 'events of other companies are delivered',
    file: 'connectors/hub/source.ts',
    from: "...(companies === null ? {} : { company: intersect(companies, list('company')) }),",
    to: '',
    caught: caught("'company of a company of lakeside' receives exactly the events of its own rows"),
  },
  {
    fault: 'persons of other companies are listed',
    file: 'connectors/access-control/graph/pages.ts',
    from: '.filter(({ person }) => mayAccessCompany(context.principal, person.company))',
    to: '',
    caught: COMPANY,
  },
  {
    fault: 'meters of other companies are listed',
    file: 'connectors/energy/graph/index.ts',
    from: 'companies: context.principal.companies ?? undefined,',
    to: 'companies: undefined,',
    caught: COMPANY,
  },
  {
    fault: 'rows of other companies are listed by configured sources',
    file: 'connectors/configured/core/subgraph-builder.ts',
    from: 'if (context.rows.seesAll) return found;',
    to: 'if (context.rows) return found;',
    caught: COMPANY,
  },
  {
    fault: 'the company of an access event is returned without permission',
    file: 'connectors/hub/graph/present.ts',
    from: '...(mayIdentify(context.principal, row.kind) ? {} : { company: null }),',
    to: '',
    caught: caught('an analyst cannot learn whose access event or parking session it was'),
  },
  {
    fault: 'events can be filtered by company without permission',
    file: 'connectors/hub/source.ts',
    from: '&& (!identifies || mayIdentify(principal, kind)),',
    to: ',',
    caught: caught('an analyst cannot learn whose access event or parking session it was'),
  },
  {
    fault: 'the vehicle of a plate is returned in the payload of a permit',
    file: 'connectors/parking/graph/index.ts',
    from: "permit: mayUnmask(context.principal, 'Vehicle.plate') ? permit : { ...permit, vehicle: byPlate() },",
    to: 'permit,',
    caught: caught('granting a permit reveals no vehicle to a token that may not read plates'),
  },
];
