import type { ActivityStore, ActivityTransaction } from './activity.ts';
import type { DeadLetterStore, DeadLetterTransaction } from './dead-letters.ts';
import type { DueStore, DueTransaction } from './due.ts';
import type { ErasureTransaction } from './erasure.ts';
import type { EventStore, EventTransaction } from './events.ts';
import type { HealthStore } from './health.ts';
import type { IdempotencyStore, IdempotencyTransaction } from './idempotency.ts';
import type { InboxStore, InboxTransaction } from './inboxes.ts';
import type { ItemStore, ItemTransaction } from './items.ts';
import type { LimitStore, LimitTransaction } from './limits.ts';
import type { NotificationStore, NotificationTransaction } from './notifications.ts';
import type { OutgoingTransaction } from './outgoing.ts';
import type { PageViewStore, PageViewTransaction } from './page-views.ts';
import type { PartitionStore } from './partitions.ts';
import type { PreferenceStore, PreferenceTransaction } from './preferences.ts';
import type { RetentionStore } from './retention.ts';
import type { ExclusiveWork, FinishTransaction, Transactions } from './transactions.ts';
import type { UserStore, UserTransaction } from './users.ts';
import type { WaitingStore, WaitingTransaction } from './waiting.ts';

/**
 * All stored data, as one interface per concept. A flow function takes only the concepts that it uses.
 *
 * A read that starts after a write has resolved returns the written data. Every function rejects with
 * UNAVAILABLE if the database is unreachable or too slow, or if a lock could not be acquired. The same call
 * may succeed later. A function that takes an array needs a fixed number of statements, whatever the length
 * of the array.
 */
export interface Store
  extends Transactions<StoreTransaction>,
    ExclusiveWork,
    UserStore,
    PreferenceStore,
    InboxStore,
    NotificationStore,
    ItemStore,
    PageViewStore,
    ActivityStore,
    LimitStore,
    DueStore,
    WaitingStore,
    EventStore,
    IdempotencyStore,
    DeadLetterStore,
    RetentionStore,
    PartitionStore,
    HealthStore {
  close(): Promise<void>;
}

/**
 * The functions of a transaction, as one interface per concept. Rows of several users are always locked in
 * the same order, independent of the order of the keys. Users are locked before inboxes. So two transactions
 * never deadlock.
 */
export interface StoreTransaction
  extends UserTransaction,
    PreferenceTransaction,
    ErasureTransaction,
    InboxTransaction,
    NotificationTransaction,
    ItemTransaction,
    PageViewTransaction,
    ActivityTransaction,
    LimitTransaction,
    DueTransaction,
    WaitingTransaction,
    EventTransaction,
    IdempotencyTransaction,
    DeadLetterTransaction,
    OutgoingTransaction,
    FinishTransaction {}
