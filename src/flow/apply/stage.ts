import type { InboxBatch } from '../../domain/inbox-batch.ts';
import type { Notification } from '../../domain/notification.ts';
import type { User, UserKey } from '../../domain/user.ts';
import type { Event } from '../../events/event.ts';
import type { Visit } from '../../ports/store/notifications.ts';
import type { StoreTransaction } from '../../ports/store/store.ts';
import type { ReadRecord } from './read-records.ts';

/** How the events of one family are applied. `stages.ts` lists the stages. `project.ts` runs them. */
export interface Stage<E extends Event = Event> {
  readonly types: readonly E['type'][];
  /** Prepares the events of one batch, at least one, in the order of the log. */
  select(records: readonly ReadRecord<E>[], now: Date): StageRun<E>;
}

/**
 * One batch of a family. The first fields are its effects beyond its own rows. The steps follow in the order
 * in which they run. All steps from `lock` to `write` run in the transaction of the batch. A family leaves
 * out the steps that it does not need.
 */
export interface StageRun<E extends Event = Event> {
  /** Users who are created if they do not exist. */
  readonly creates?: readonly UserKey[];
  /**
   * Users who receive notifications. Their inboxes are locked. Records of users who do not exist are held
   * back.
   */
  readonly recipients?: readonly UserKey[];
  /** Groups of notifications that the events may join. */
  readonly groups?: readonly (UserKey & { readonly groupKey: string })[];
  /** Visits that read notifications. */
  readonly visits?: readonly Visit[];
  /**
   * Users who own rows of the family that the batch writes. One statement locks all users of a batch, before
   * `lock` resolves.
   */
  readonly locks?: readonly UserKey[];
  /** Whether the batch publishes something even if it changes no inbox. */
  readonly isPublished?: boolean;

  /** Creates the partitions of the rows, before the transaction. */
  makeRoom?(): Promise<void>;
  /**
   * Reads the rows that the events change, and applies the events to these rows. It must send its statements
   * before its first await, so that they travel with the claims. It runs before inboxes are locked.
   */
  lock?(transaction: StoreTransaction, locking: Locking): Promise<Effects>;
  /** Prepares the rows without the database, while the database takes the locks. */
  prepare?(): void;
  /**
   * Applies a fresh event to the inboxes, in the order of the log. Returns 'waits' if the event must wait for
   * its user.
   */
  apply?(event: E, inboxes: OpenInboxes): 'applied' | 'waits';
  /**
   * Writes the rows. A run without `lock` writes while the events are applied to inboxes. A run with `lock`
   * writes last.
   */
  write?(transaction: StoreTransaction, fresh: Fresh): readonly Promise<void>[];
  /**
   * Publishes the result after the commit. Repeated events are published, too, because a crash may have
   * prevented their first publish. Events that their sender already applied do not come here.
   */
  publish?(): Promise<void>;
}

/** The events of a batch that were not applied before. */
export type Fresh = ReadonlySet<Event>;

/** The statements that `lock` waits for. */
export interface Locking {
  readonly fresh: Promise<Fresh>;
  /** The users of `locks` that exist, of all families. */
  readonly users: Promise<readonly User[]>;
}

/** The effects of the events of a family beyond the rows of the family. */
export interface Effects {
  /** The notifications to deliver in the same transaction, after the notifications of the batch. */
  readonly notifications: readonly Notification[];
  /** The moments when the rows change by themselves. null means never. */
  readonly dueAt: readonly (Date | null)[];
}

/** The locked inboxes of a batch. */
export interface OpenInboxes extends Pick<InboxBatch, 'deliver' | 'visit'> {
  /** Whether records of this user already wait. */
  isAwaited(user: UserKey): boolean;
}
