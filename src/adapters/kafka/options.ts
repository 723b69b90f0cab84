/** How to reach and use Kafka. */
export interface KafkaOptions {
  /** One or more brokers to connect to first, as `host:port`. */
  readonly brokers: readonly string[];
  /** The name of this program in Kafka's logs and quotas. */
  readonly clientId: string;
  /** Whether to use TLS. The certificates that Node trusts verify the brokers. */
  readonly ssl: boolean;
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /**
   * The number of partitions of topics that this process creates. Existing topics keep theirs, because
   * another number would move keys to other partitions.
   */
  readonly partitions: number;
  /** The replication factor of topics that this process creates. -1 means the broker's default. */
  readonly replicationFactor: number;
  /** The retention of topics that this process creates, in ms. */
  readonly retentionMs: number;
  /**
   * The compression of records that this process writes. Topics that this process creates keep all records
   * with it, whatever their producers use.
   */
  readonly compression: 'none' | 'gzip';
  /**
   * A prefix for the name of every topic and group, so that several installations can share a cluster.
   * Defaults to ''.
   */
  readonly namespace?: string;
  /** Topics with other names in Kafka: our name → the name in Kafka, without the namespace. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** The topics to create if they are missing, each with `<topic>.dlq`. */
  readonly topics: readonly string[];
  /** After this time, in ms, an append or send rejects with UNAVAILABLE. At least 1000. Defaults to 5000. */
  readonly appendTimeoutMs?: number;
  /**
   * How many bytes of keys, values and headers are written together. This is also the limit of one record.
   * Defaults to 900 000, because brokers accept about 1 MiB per partition (max.message.bytes) including
   * overhead.
   */
  readonly maxAppendBytes?: number;
  /** After this silence, in ms, Kafka considers a consumer dead. Defaults to 30 000. */
  readonly sessionTimeoutMs?: number;
  /**
   * The time between heartbeats of a consumer, in ms. At most a third of the session timeout. Defaults to
   * 3000, or to a third of the session timeout if that is less.
   */
  readonly heartbeatIntervalMs?: number;
  /**
   * How long members may take to finish their work and join when the partitions are reassigned, in ms. The
   * others wait this long for a member that does not join. Defaults to 20 000.
   */
  readonly rebalanceTimeoutMs?: number;
  /**
   * How long Kafka waits for records before it answers a fetch, in ms. Leaving a group takes as long.
   * Defaults to 500.
   */
  readonly fetchWaitMs?: number;
  /** How long a rejected batch waits at most before it is retried, in ms. Defaults to 4000. */
  readonly maxRetryMs?: number;
  /**
   * If there are records to consume and none is consumed for this long, in ms, there is a problem. Defaults
   * to 60 000.
   */
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
