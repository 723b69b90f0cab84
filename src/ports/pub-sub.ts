/**
 * Notifies processes of changes. Each message is delivered at most once, and old messages are not stored.
 * Because a message may be lost, a message either is a whole state with a version, or only says what to read
 * again. For the same reason, watchers read the state again from time to time.
 */
export interface PubSub {
  /**
   * Sends each value to the current subscribers of its topic. Resolves when the backend has received the
   * messages. Rejects with UNAVAILABLE if some messages may not have been sent. The adapter logs this
   * failure, so callers need not log it.
   */
  publish(messages: readonly Message[]): Promise<void>;

  /**
   * Calls the listener for each message, in order per topic. Nothing is queued for the listener (see
   * `createOneSlot`). The listener must not throw.
   */
  subscribe(topics: readonly string[], listener: (message: Message) => void): Subscription;

  /**
   * Calls the listener if messages may have been lost. The call comes after all subscriptions are restored.
   */
  onGap(listener: () => void): Unsubscribe;

  /**
   * Returns a problem if this process has never reached the backend. Returns undefined after the first
   * connection, even if the backend is unreachable later.
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
   * Resolves when the listener will receive every later message. Stays pending while the backend is
   * unreachable. Rejects with UNAVAILABLE if the pub/sub is closed. May stay pending if the subscription
   * ends.
   */
  readonly confirmed: Promise<void>;
  /**
   * Ends the subscription, whether it is confirmed or not. After this function returns, the listener is not
   * called again.
   */
  readonly end: Unsubscribe;
}

/**
 * Ends a subscription. After this function returns, the listener is not called again. A second call has no
 * effect.
 */
export type Unsubscribe = () => void;
