/** The limits of a socket and of a user. */
export interface SocketLimits {
  readonly maxMessageBytes: number;
  readonly initWaitMs: number;
  readonly pingMs: number;
  readonly pongWaitMs: number;
  /** The interval at which the server checks which sockets need a ping and which clients are silent. */
  readonly heartbeatMs: number;
  readonly maxSubscriptions: number;
  readonly maxSocketsPerUser: number;
  /** The maximum number of sockets of all clients together that have not sent `connection_init` yet. */
  readonly maxWaiting: number;
  /** The limits on the parts of a subscription that are in memory while the subscription is open. */
  readonly maxSubscription: SubscriptionLimits;
  /**
   * The maximum number of messages and control frames that a client may send per second, averaged over 10
   * seconds.
   */
  readonly maxMessagesPerSecond: number;
  /** The maximum number of bytes that wait in memory for a client that reads too slowly. */
  readonly maxBufferedBytes: number;
}

export interface SubscriptionLimits {
  readonly idCharacters: number;
  /** The maximum number of characters of the declared variables as JSON. */
  readonly variablesCharacters: number;
  /**
   * The maximum number of tokens of the document. A token takes about 500 bytes of memory: 200 subscriptions
   * of 960 tokens took 85 MB.
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
