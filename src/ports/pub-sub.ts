/**
 * Tells processes that something changed. At most once and without history: a message may be lost, so messages are whole
 * states with a version, and watchers re-read now and then.
 */
export interface PubSub {
  /** Sends each value to whoever is subscribed to its topic right now. Resolves when handed over; may reject. */
  publish(messages: readonly Message[]): Promise<void>;

  /**
   * Resolves when every message published from then on will be seen. The listener is called as messages arrive, one
   * topic's in order; nothing is queued for it (see `createOneSlot`). It must not throw.
   */
  subscribe(topics: readonly string[], listener: (message: Message) => void): Promise<Unsubscribe>;

  /** Calls the listener whenever messages may have been missed (the connection was lost and is back). */
  onGap(listener: () => void): Unsubscribe;

  close(): Promise<void>;
}

export interface Message {
  readonly topic: string;
  readonly value: string;
}

/** After it returns the listener is not called again. Calling it twice is harmless. */
export type Unsubscribe = () => void;
