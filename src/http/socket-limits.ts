/** What one socket, and one user, may take. */
export interface SocketLimits {
  readonly maxMessageBytes: number;
  readonly initWaitMs: number;
  readonly pingMs: number;
  readonly pongWaitMs: number;
  /** How often all sockets are looked at: who is to be pinged, who is silent. */
  readonly heartbeatMs: number;
  readonly maxSubscriptions: number;
  readonly maxSocketsPerUser: number;
  /** Sockets of all clients together that have not sent `connection_init` yet. */
  readonly maxWaiting: number;
  /** What one subscription keeps in memory while it is open. */
  readonly maxSubscription: SubscriptionLimits;
  /** Messages and control frames a client may send in a second, on average over ten. */
  readonly maxMessagesPerSecond: number;
  /** What waits to be sent to a client that does not read. */
  readonly maxBufferedBytes: number;
}

export interface SubscriptionLimits {
  readonly idCharacters: number;
  /** Of the declared variables, as JSON. */
  readonly variablesCharacters: number;
  /** Of the document, 500 bytes each: 200 subscriptions of 960 tokens took 85 MB. */
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
