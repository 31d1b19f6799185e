/** The source's data in the hub's terms. */

/** A notice from the park's office to a company. */
export interface Notice {
  readonly id: string;
  readonly company: string;
  readonly title: string;
  readonly writtenAt: Date;
}
