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
 * Everything that is kept, by concept. A flow function asks for the concepts that it uses.
 *
 * A read that starts after a write resolved sees that write. Every function rejects with UNAVAILABLE when the database is
 * away, too slow, or a lock could not be acquired: the same call may succeed later. Functions that take arrays cost a fixed
 * number of statements, however long the array.
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
 * The functions of a transaction, by concept. Rows of several users are locked in one order, whatever the order of the keys,
 * and users before inboxes, so two transactions never deadlock.
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
