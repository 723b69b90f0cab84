/** Reads which events were applied. */
export interface EventStore {
  /** Returns per event whether it was applied. */
  areApplied(events: readonly EventIdentity[]): Promise<readonly boolean[]>;
}

/** Records which events are applied, so that each event is applied once. */
export interface EventTransaction {
  /**
   * Adds a mark for each event. A mark is a row that records that the event was applied. Returns per event
   * whether the event had no mark before. If two events in the call have the same id, only the first is new.
   */
  claimEvents(events: readonly EventIdentity[], now: Date): Promise<readonly boolean[]>;
  /** Removes marks that this transaction has added. */
  unclaimEvents(events: readonly EventIdentity[]): Promise<void>;
}

export interface EventIdentity {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
}
