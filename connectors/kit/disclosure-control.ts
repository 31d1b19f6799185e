/** Statistical disclosure control: which figures to withhold so that none about a few members can be read or computed from others. */

/** One group of a total, such as a building of a park. */
export interface Group {
  /** Null: the members without a group, for which no figure is published. */
  readonly key: string | null;
  /** Members whose single figures the caller may not see. A member may be in several groups. */
  readonly members: readonly string[];
}

export interface WithheldFigures {
  /** Whether the total over all groups is withheld. */
  readonly total: boolean;
  /** Keys of the withheld groups. */
  readonly groups: ReadonlySet<string>;
}

/**
 * Primary suppression withholds groups with at least one and fewer than `least` members. Complementary suppression: the total minus the
 * published groups is the sum of the withheld ones, so further groups are withheld, smallest first, until these have `least` members.
 * Depends on the members only, not on the figures, so that equal queries always withhold the same groups.
 */
export function withheldGroups(groups: readonly Group[], least: number): WithheldFigures {
  const isFew = (members: number): boolean => members > 0 && members < least;
  const hidden = groups.filter(({ members }) => isFew(members.length));
  const rest = new Set(hidden.flatMap(({ members }) => members));
  const next = groups
    .filter(({ members }) => members.length >= least)
    .sort((a, b) => a.members.length - b.members.length || (String(a.key) < String(b.key) ? -1 : 1));
  for (const group of next) {
    if (!isFew(rest.size)) break;
    hidden.push(group);
    for (const member of group.members) rest.add(member);
  }
  return {
    total: isFew(new Set(groups.flatMap(({ members }) => members)).size),
    groups: new Set(hidden.flatMap(({ key }) => key ?? [])),
  };
}
