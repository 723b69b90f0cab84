/** The limits of a socket and of a user. */
export interface SocketLimits {
  readonly maxMessageBytes: number;
  readonly initWaitMs: number;
  readonly pingMs: number;
  readonly pongWaitMs: number;
  /** How often the server checks all sockets for pings that are due and for silent clients. */
  readonly heartbeatMs: number;
  readonly maxSubscriptions: number;
  readonly maxSocketsPerUser: number;
  /** The most sockets of all clients together that have not sent `connection_init` yet. */
  readonly maxWaiting: number;
  /** The limits on the parts of a subscription that stay in memory while it is open. */
  readonly maxSubscription: SubscriptionLimits;
  /** How many messages and control frames a client may send per second, averaged over 10 seconds. */
  readonly maxMessagesPerSecond: number;
  /** The most bytes that wait for a client that reads too slowly. */
  readonly maxBufferedBytes: number;
}

export interface SubscriptionLimits {
  readonly idCharacters: number;
  /** The length of the declared variables as JSON. */
  readonly variablesCharacters: number;
  /**
   * The tokens of the document. A token takes about 500 bytes of memory: 200 subscriptions of 960 tokens took
   * 85 MB.
   */
  readonly tokens: number;
}

export const defaultSocketLimits: SocketLimits = {
  maxMessageBytes: 64 * 1024,
  initWaitMs: 3_000,
  pingMs: 15_000,
  pongWaitMs: 10_000,
  heartbeatMs: 5_000,
  maxSubscriptions: 20,
  maxSocketsPerUser: 10,
  maxWaiting: 10_000,
  maxSubscription: { idCharacters: 1_000, variablesCharacters: 16_000, tokens: 200 },
  maxMessagesPerSecond: 20,
  maxBufferedBytes: 1024 * 1024,
};
