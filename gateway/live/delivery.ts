/** What a subscription sends to its client, and the sink that a transport gives for it. */
import type { HubError } from '../../connectors/kit/errors.ts';
import type { OperationResponse } from '../operation/request.ts';

/** One response of a subscription. */
export interface Delivery {
  readonly response: OperationResponse;
  /** The response as JSON in UTF-8, made once for all who receive it. */
  bytes(): Buffer;
  /** The same followed by `}`, which closes the message that contains it. */
  bytesAndBrace(): Buffer;
}

/** The deliveries of one subscription to one client. */
export interface DeliverySink {
  /** Takes the delivery in any case. Returns false when there is no room for another until `waitForRoom` resolves. */
  offer(delivery: Delivery): boolean;
  /** Resolves when there is room again, or when the subscriber has left. */
  waitForRoom(): Promise<void>;
  /** Ends the subscription; `error` is null when the server shuts down. */
  end(error: HubError | null): void;
}

/** A delivery whose JSON is made on first use. */
export function createDelivery(response: OperationResponse): Delivery {
  let json: Buffer | undefined;
  const bytesAndBrace = (): Buffer => {
    json ??= Buffer.from(`${JSON.stringify(response)}}`);
    return json;
  };
  return { response, bytes: () => bytesAndBrace().subarray(0, -1), bytesAndBrace };
}
