/** The options to connect to Kafka and to use it. */
export interface KafkaOptions {
  /** The brokers to connect to first, as `host:port`. At least one. */
  readonly brokers: readonly string[];
  /** The name that identifies this program in Kafka's logs and quotas. */
  readonly clientId: string;
  /** Whether to use TLS. The certificates of the brokers must be signed by an authority that Node trusts. */
  readonly ssl: boolean;
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /**
   * The number of partitions of topics that this process creates. The number of partitions of an existing
   * topic does not change, because a change would move keys to other partitions.
   */
  readonly partitions: number;
  /** The replication factor of topics that this process creates. -1 means the broker's default. */
  readonly replicationFactor: number;
  /** The retention of topics that this process creates, in ms. */
  readonly retentionMs: number;
  /**
   * The compression of records that this process writes. Topics that this process creates store all records
   * with this compression, even if a producer uses another.
   */
  readonly compression: 'none' | 'gzip';
  /**
   * A prefix for the names of all topics and groups. It allows several installations to share a cluster.
   * Defaults to ''.
   */
  readonly namespace?: string;
  /** Maps our name of a topic to a different name in Kafka, without the namespace. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** The topics to create if they are missing. For each topic, `<topic>.dlq` is created too. */
  readonly topics: readonly string[];
  /**
   * The maximum time, in ms, of an append or a send. After this time the call rejects with UNAVAILABLE. At
   * least 1000. Defaults to 5000.
   */
  readonly appendTimeoutMs?: number;
  /**
   * The maximum number of bytes of keys, values and headers that are written together. This is also the limit
   * for one record. Defaults to 900 000, because brokers accept about 1 MiB per partition (max.message.bytes)
   * including overhead.
   */
  readonly maxAppendBytes?: number;
  /** If a consumer sends no heartbeat for this time, in ms, Kafka considers it dead. Defaults to 30 000. */
  readonly sessionTimeoutMs?: number;
  /**
   * The time between two heartbeats of a consumer, in ms. At most a third of the session timeout. Defaults to
   * 3000, or to a third of the session timeout if that is shorter.
   */
  readonly heartbeatIntervalMs?: number;
  /**
   * The maximum time, in ms, for members to finish their work and join when Kafka reassigns the partitions.
   * If a member does not join, the other members wait for this time. Defaults to 20 000.
   */
  readonly rebalanceTimeoutMs?: number;
  /**
   * The maximum time, in ms, that Kafka waits for records before it answers a fetch. Leaving a group may take
   * this long too. Defaults to 500.
   */
  readonly fetchWaitMs?: number;
  /** The maximum time, in ms, between two attempts to handle a rejected batch. Defaults to 4000. */
  readonly maxRetryMs?: number;
  /**
   * The time, in ms, after which `health` reports a problem if records wait and none is consumed. Defaults to
   * 60 000.
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
