/** Reads dead letters. */
export interface DeadLetterStore {
  /**
   * Returns dead letters that follow `after` in the list, newest first. Ties are sorted by id, descending.
   * Each payload is cut to its first `maxPayloadBytes`. Without `maxPayloadBytes`, the payload is whole.
   */
  deadLetters(
    page: DeadLetterFilter & {
      readonly first: number;
      readonly maxPayloadBytes?: number;
      readonly after?: { readonly failedAt: Date; readonly id: string };
    },
  ): Promise<readonly StoredDeadLetter[]>;
  countDeadLetters(filter: DeadLetterFilter): Promise<number>;
  /** Returns the dead letter with its whole payload. */
  deadLetter(id: string, filter: Pick<DeadLetterFilter, 'tenantIds'>): Promise<StoredDeadLetter | undefined>;
}

export interface DeadLetterTransaction {
  /**
   * Stores records that could not be applied. A record that is already stored is not changed. The outbox
   * sends a copy of each new dead letter to `<topic>.dlq`. The copy has the original bytes, key and headers,
   * and headers with topic, partition, offset, error-code, error-message and attempts.
   */
  addDeadLetters(deadLetters: readonly DeadLetter[]): Promise<void>;
  /**
   * Removes dead letters and returns the ids of the removed dead letters. The outbox sends the removed
   * records to their topics again, with key and headers. The headers `unseen-origin-topic`, `-partition` and
   * `-offset` say where each record was first.
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

/** A dead letter in the store. */
export interface StoredDeadLetter extends DeadLetter {
  /** A uuid. */
  readonly id: string;
  /** The size of the whole payload. */
  readonly payloadBytes: number;
}

/** Selects dead letters. An absent condition matches all dead letters. */
export interface DeadLetterFilter {
  /** Dead letters of these tenants. The empty id matches records that name no tenant. */
  readonly tenantIds?: readonly string[];
  readonly topic?: string;
  readonly errorCode?: string;
}
