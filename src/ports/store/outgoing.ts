import type { OutgoingRecord } from '../event-log.ts';

/** Adds records to the outbox. */
export interface OutgoingTransaction {
  /** Adds records for the log. The outbox sends them after the commit, in this order, at least once. */
  addOutgoing(records: readonly OutgoingRecord[], now: Date): Promise<void>;
}
