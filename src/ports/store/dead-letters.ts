/** Reads dead letters. */
export interface DeadLetterStore {
  /**
   * Dead letters after the place `after`, newest first. Ties are sorted by id, descending. Each payload is cut to its first
   * `maxPayloadBytes`, which defaults to the whole payload.
   */
  deadLetters(
    page: DeadLetterFilter & {
      readonly first: number;
      readonly maxPayloadBytes?: number;
      readonly after?: { readonly failedAt: Date; readonly id: string };
    },
  ): Promise<readonly StoredDeadLetter[]>;
  countDeadLetters(filter: DeadLetterFilter): Promise<number>;
  /** The dead letter with its whole payload. */
  deadLetter(id: string, filter: Pick<DeadLetterFilter, 'tenantIds'>): Promise<StoredDeadLetter | undefined>;
}

export interface DeadLetterTransaction {
  /**
   * Keeps records that could not be applied. A record that is kept already is not changed. The outbox sends a copy of each new
   * one to `<topic>.dlq`: the original bytes, key and headers, and headers with topic, partition, offset, error-code,
   * error-message and attempts.
   */
  addDeadLetters(deadLetters: readonly DeadLetter[]): Promise<void>;
  /**
   * Removes dead letters and returns the ids of the removed ones. The outbox sends them to their topics
   * again, with key and headers. The headers `unseen-origin-topic`, `-partition` and `-offset` say where each
   * record was first.
   */
  requeueDeadLetters(
    ids: readonly string[],
    filter: Pick<DeadLetterFilter, 'tenantIds'>,
    now: Date,
  ): Promise<readonly string[]>;
}

export interface DeadLetter {
  /** Empty when the record names no tenant. */
  readonly tenantId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** The original bytes of the record. */
  readonly payload: Uint8Array;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly attempts: number;
  readonly failedAt: Date;
}

/** A dead letter that is kept. */
export interface StoredDeadLetter extends DeadLetter {
  /** A uuid. */
  readonly id: string;
  /** The size of the whole payload. */
  readonly payloadBytes: number;
}

/** Selects dead letters. A condition that is absent matches all. */
export interface DeadLetterFilter {
  /** Dead letters of these tenants. The empty id matches records that name no tenant. */
  readonly tenantIds?: readonly string[];
  readonly topic?: string;
  readonly errorCode?: string;
}
