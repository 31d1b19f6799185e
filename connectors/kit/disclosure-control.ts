/** Statistical disclosure control: which figures are withheld so that none about a few can be read, or computed from the others. */

/** One group of a total, such as a building of a park. */
export interface Group {
  /** Null: those of no group, of whom no figure of their own is ever shown. */
  readonly key: string | null;
  /** Whose figures the caller may not see one by one (the others it could subtract). One may be in several groups. */
  readonly members: readonly string[];
}

export interface Withheld {
  /** The total over all groups. */
  readonly total: boolean;
  readonly groups: ReadonlySet<string>;
}

/**
 * Primary suppression: groups of fewer than `least` members, not none. Complementary suppression: the total less the groups shown leaves
 * the sum of those not shown, so further groups are withheld, the smallest first, until that rest has `least` members. Depends on
 * the members only, never on the figures, so that every question about them gets the same answer.
 */
export function withheldGroups(groups: readonly Group[], least: number): Withheld {
  const isFew = (members: number): boolean => members > 0 && members < least;
  const hidden = groups.filter(({ members }) => isFew(members.length));
  const rest = new Set(hidden.flatMap(({ members }) => members));
  const next = groups
    .filter(({ members }) => members.length >= least)
    .sort((a, b) => a.members.length - b.members.length || (String(a.key) < String(b.key) ? -1 : 1));
  for (const one of next) {
    if (!isFew(rest.size)) break;
    hidden.push(one);
    for (const member of one.members) rest.add(member);
  }
  return {
    total: isFew(new Set(groups.flatMap(({ members }) => members)).size),
    groups: new Set(hidden.flatMap(({ key }) => key ?? [])),
  };
}
