/** What it knows, in our words. */

/** One notice that the park's office has written to a company. */
export interface Notice {
  readonly id: string;
  readonly company: string;
  readonly title: string;
  readonly writtenAt: Date;
}
