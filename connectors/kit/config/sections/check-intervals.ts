/** How often the host looks at its installations. */

/** How often things are looked at, in milliseconds. Tests take smaller ones. */
export interface HostPace {
  /** Pause between checks while a source is up. */
  readonly checkUp: number;
  /** Pause between checks while it is not; never above 5 s. */
  readonly checkDown: number;
  /** How long one check may take. */
  readonly checkTime: number;
  /** Pause between writings of a source's row when nothing changed. */
  readonly heartbeat: number;
  /** Pause between two looks of the hub at connectors that run in processes of their own. */
  readonly remote: number;
  /** Pause between two comparisons of what the source offers with what the connector was written against. */
  readonly drift: number;
}

export const DEFAULT_PACE: HostPace = {
  checkUp: 5_000,
  checkDown: 2_000,
  checkTime: 2_000,
  heartbeat: 3_000,
  remote: 1_000,
  drift: 3_600_000,
};
