/** An entry of package-lock.json, as far as it is read here. */
export interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

/**
 * Paths of the packages that the lock file requires here: those for running the hub, `withDevelopment` also those for tests and for
 * bundling libraries. An optional one counts only if it is for this platform.
 */
export function requiredPackages(
  lock: { readonly packages: Readonly<Record<string, LockedPackage>> },
  options: { readonly withDevelopment: boolean },
): string[];
