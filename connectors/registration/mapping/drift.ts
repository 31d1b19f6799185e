/** Drift check: the elements that the mapping needs in the register's entries, and the graph fields that depend on each. */
import { localName, type XmlElement } from '../../kit/protocols/soap.ts';

/** Expected elements of an entry, with the graph fields that depend on them. */
export const WATCHED_ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  UNISCID: ['Company.registration'],
  ENTNAME: ['Registration.legalName', 'Company.name'],
  REGSTATE_CN: ['Registration.status'],
  LEREP: ['Registration.legalRepresentative', 'Registration.legalRepresentativeMasked'],
  REGCAP: ['Registration.capital'],
  OPSCOPE: ['Registration.scope'],
  DOM: ['Registration.address'],
  ESTDATE: ['Registration.establishedOn'],
  APPRDATE: ['Registration.approvedOn'],
};

/** Names of all elements that occur in the entries of a page, and the number of entries. */
export function elementNames(body: XmlElement): { readonly names: ReadonlySet<string>; readonly entries: number } {
  const all = body.children.filter((one) => localName(one) === 'company');
  return { names: new Set(all.flatMap((one) => one.children.map(localName))), entries: all.length };
}
