/** What each GraphQL client must do in a page; one file per library, used as its documentation describes. */

/** Addresses of the hub, and the caller's token. */
export interface Hub {
  readonly url: string;
  readonly socketUrl: string;
  readonly token: string;
}

// biome-ignore lint/suspicious/noExplicitAny: answers are read by path
export type Data = any;

export interface PageClient {
  /** Rejects if there is no response, or one with errors. */
  query(): Promise<Data>;
  mutate(input: Readonly<Record<string, unknown>>): Promise<Data>;
  /** `next` receives each delivery; `fail` an error. Undefined if the library has no subscriptions. */
  subscribe?(next: (data: Data) => void, fail: (error: unknown) => void): void;
}

export type MakeClient = (hub: Hub) => PageClient;

export const QUERY = 'query Parks { parks { id name } }';
export const MUTATION =
  'mutation Grant($input: GrantParkingPermitInput!) { grantParkingPermit(input: $input) { permit { id state } } }';
export const SUBSCRIPTION = `subscription Follow {
  events {
    __typename
    ... on EventsBatch { cursor events { __typename id } }
    ... on Gap { cursor }
    ... on Lagged { cursor behind }
  }
}`;

export const authorization = ({ token }: Hub) => `Bearer ${token}`;
