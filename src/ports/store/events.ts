/** Reads which events were applied. */
export interface EventStore {
  /** Returns per event whether it is marked as applied. */
  areApplied(events: readonly EventIdentity[]): Promise<readonly boolean[]>;
}

/** Marks events as applied, so that each is applied once. */
export interface EventTransaction {
  /**
   * Marks events as applied. Returns per event whether it is new. If two have the same id, the first is new.
   */
  claimEvents(events: readonly EventIdentity[], now: Date): Promise<readonly boolean[]>;
  /** Removes marks that this transaction made. */
  unclaimEvents(events: readonly EventIdentity[]): Promise<void>;
}

export interface EventIdentity {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
}
