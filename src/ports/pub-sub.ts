/**
 * Notifies processes of changes, at most once and without history. A message may be lost. So a message is a
 * whole state with a version, or only says what to read again, and watchers read again from time to time.
 */
export interface PubSub {
  /**
   * Sends each value to the current subscribers of its topic. Resolves when the messages are handed over.
   * Rejects with UNAVAILABLE if some messages may not have been sent. The adapter logs this, so callers need
   * not.
   */
  publish(messages: readonly Message[]): Promise<void>;

  /**
   * Calls the listener for each message, in order per topic. Nothing is queued for the listener (see
   * `createOneSlot`). The listener must not throw.
   */
  subscribe(topics: readonly string[], listener: (message: Message) => void): Subscription;

  /** Calls the listener after messages may have been lost, once all subscriptions are restored. */
  onGap(listener: () => void): Unsubscribe;

  /**
   * The problem, if the backend was never reached. Undefined after the first connection, also in an outage.
   */
  health(): { readonly problem: string | undefined };

  close(): Promise<void>;
}

export interface Message {
  readonly topic: string;
  readonly value: string;
}

export interface Subscription {
  /**
   * Resolves when the listener will receive every later message. It waits while the backend is away. Rejects
   * with UNAVAILABLE if the pub/sub is closed. It may stay pending if the subscription ends.
   */
  readonly confirmed: Promise<void>;
  /** Ends the subscription, confirmed or not. After it returns, the listener is not called again. */
  readonly end: Unsubscribe;
}

/** After it returns, the listener is not called again. A second call has no effect. */
export type Unsubscribe = () => void;
