/**
 * Tells processes that something changed. At most once and without history: a message may be lost, so messages are whole
 * states with a version, or say only that something is to be read, and watchers re-read now and then.
 */
export interface PubSub {
  /**
   * Sends each value to whoever is subscribed to its topic right now. Resolves when handed over. Rejects with UNAVAILABLE
   * when some may not have been sent; the adapter logs that, in few lines, so callers need not.
   */
  publish(messages: readonly Message[]): Promise<void>;

  /**
   * The listener is called as messages arrive, one topic's in order; nothing is queued for it (see `createOneSlot`). It
   * must not throw.
   */
  subscribe(topics: readonly string[], listener: (message: Message) => void): Subscription;

  /**
   * Calls the listener whenever messages may have been missed (the connection was lost), once everything is subscribed
   * again.
   */
  onGap(listener: () => void): Unsubscribe;

  /** What keeps this process from having begun: a backend that was never reached. undefined from then on, also in an outage. */
  health(): { readonly problem: string | undefined };

  close(): Promise<void>;
}

export interface Message {
  readonly topic: string;
  readonly value: string;
}

export interface Subscription {
  /**
   * Resolves when every message published from then on will be seen. While the backend is away it waits, for as long as
   * that takes; rejects with UNAVAILABLE when the pub/sub is closed. May stay pending when the subscription is ended.
   */
  readonly confirmed: Promise<void>;
  /** Confirmed or not. After it returns the listener is not called again. */
  readonly end: Unsubscribe;
}

/** After it returns the listener is not called again. Calling it twice is harmless. */
export type Unsubscribe = () => void;
