/** How Kafka is reached and used. */
export interface KafkaOptions {
  /** `host:port` of one broker or more to begin with. */
  readonly brokers: readonly string[];
  /** How Kafka's logs and quotas name this program. */
  readonly clientId: string;
  /** TLS, certificates checked against those Node trusts. */
  readonly ssl: boolean;
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /** Of topics created here; of one that exists they are left alone, since another number moves keys to other partitions. */
  readonly partitions: number;
  /** Of topics created here; -1: the broker's default. */
  readonly replicationFactor: number;
  /** Of topics created here. */
  readonly retentionMs: number;
  /** How records are written, and kept in topics created here, whatever their producers use. */
  readonly compression: 'none' | 'gzip';
  /** Before the name of every topic and group, so that several installations can share a cluster. Default ''. */
  readonly namespace?: string;
  /** Topics that have other names in Kafka: ours → theirs, without the namespace. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** Created if missing, each with `<topic>.dlq`. */
  readonly topics: readonly string[];
  /** Milliseconds after which an append or send is given up with UNAVAILABLE, at least 1000. Default 5000. */
  readonly appendTimeoutMs?: number;
  /**
   * Bytes of keys, values and headers that are written together, and so of the largest record. Default 900 000: brokers
   * take about 1 MiB a partition (max.message.bytes), overhead included.
   */
  readonly maxAppendBytes?: number;
  /** Milliseconds of silence after which Kafka takes a consumer for dead. Default 30 000. */
  readonly sessionTimeoutMs?: number;
  /** Milliseconds between signs of life of a consumer, a third of the session or less, which is the default, or 3000. */
  readonly heartbeatIntervalMs?: number;
  /**
   * Milliseconds that members have to end what they are at and join when the partitions are shared out anew; the others
   * wait so long for one that does not. Default 20 000.
   */
  readonly rebalanceTimeoutMs?: number;
  /** Milliseconds that Kafka waits for something to hand over; leaving a group takes as long. Default 500. */
  readonly fetchWaitMs?: number;
  /** Milliseconds that a rejected batch waits at most before it comes again. Default 4000. */
  readonly maxRetryMs?: number;
  /** Milliseconds with something to consume and nothing consumed, after which that is a problem. Default 60 000. */
  readonly stallMs?: number;
}

export type Settings = ReturnType<typeof settingsOf>;

export function settingsOf(options: KafkaOptions) {
  const { sessionTimeoutMs = 30_000 } = options;
  return {
    appendTimeoutMs: 5_000,
    maxAppendBytes: 900_000,
    sessionTimeoutMs,
    heartbeatIntervalMs: Math.min(3_000, sessionTimeoutMs / 3),
    rebalanceTimeoutMs: 20_000,
    fetchWaitMs: 500,
    maxRetryMs: 4_000,
    stallMs: 60_000,
    ...options,
  };
}
