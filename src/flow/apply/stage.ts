import type { InboxBatch } from '../../domain/inbox-batch.ts';
import type { Notification } from '../../domain/notification.ts';
import type { User, UserKey } from '../../domain/user.ts';
import type { Event } from '../../events/event.ts';
import type { Visit } from '../../ports/store/notifications.ts';
import type { StoreTransaction } from '../../ports/store/store.ts';
import type { ReadRecord } from './read-records.ts';

/**
 * A stage says how the events of one kind are applied. `stages.ts` lists the stages, and `project.ts` runs
 * them.
 */
export interface Stage<E extends Event = Event> {
  readonly types: readonly E['type'][];
  /**
   * Prepares the events of one batch. There is at least one event, and the events are in the order of the
   * log.
   */
  select(records: readonly ReadRecord<E>[], now: Date): StageRun<E>;
}

/**
 * The events of a stage in one batch. The first fields are their effects on users and inboxes. The steps
 * follow in the order in which they run. The steps from `lock` to `write` run in the transaction of the
 * batch. A stage omits the steps that it does not need.
 */
export interface StageRun<E extends Event = Event> {
  /** The users to create if they do not exist. */
  readonly creates?: readonly UserKey[];
  /**
   * The users who receive notifications. Their inboxes are locked. Records of users who do not exist wait.
   */
  readonly recipients?: readonly UserKey[];
  /** The groups that the notifications of the events may join. */
  readonly groups?: readonly (UserKey & { readonly groupKey: string })[];
  /** The visits that mark notifications as read. */
  readonly visits?: readonly Visit[];
  /**
   * The users whose rows the stage writes in this batch. One statement locks the users of all stages, before
   * `lock` resolves.
   */
  readonly locks?: readonly UserKey[];
  /** Whether the stage publishes something even if no inbox changes. */
  readonly isPublished?: boolean;

  /** Creates the partitions for the rows, before the transaction begins. */
  makeRoom?(): Promise<void>;
  /**
   * Reads the rows that the events change, and applies the events to these rows. Sends its statements before
   * its first `await`, so that they are sent together with the claims. Runs before inboxes are locked.
   */
  lock?(transaction: StoreTransaction, locking: Locking): Promise<Effects>;
  /** Prepares the rows without a query, while the database takes the locks. */
  prepare?(): void;
  /**
   * Applies an event that was not applied before to the inboxes. Called in the order of the log. Returns
   * 'waits' if the event must wait for its user.
   */
  apply?(event: E, inboxes: OpenInboxes): 'applied' | 'waits';
  /**
   * Writes the rows. Without a `lock` step, the rows are written while the events are applied to inboxes.
   * With a `lock` step, the rows are written last.
   */
  write?(transaction: StoreTransaction, fresh: Fresh): readonly Promise<void>[];
  /**
   * Publishes the result after the commit. The results of repeated events are published too, because a crash
   * may have prevented the first publish. Events that their sender has already applied are not in the batch.
   */
  publish?(): Promise<void>;
}

/** The events of a batch that were not applied before. */
export type Fresh = ReadonlySet<Event>;

/** The statements that `lock` waits for. */
export interface Locking {
  readonly fresh: Promise<Fresh>;
  /** The users that exist, from the `locks` of all stages. */
  readonly users: Promise<readonly User[]>;
}

/** The effects of the events of a stage, except on the rows of the stage. */
export interface Effects {
  /**
   * The notifications to deliver in the same transaction. These notifications are delivered after the
   * notifications that the batch contains.
   */
  readonly notifications: readonly Notification[];
  /** The times at which the rows change without an event. Null means never. */
  readonly dueAt: readonly (Date | null)[];
}

/** The locked inboxes of a batch. */
export interface OpenInboxes extends Pick<InboxBatch, 'deliver' | 'visit'> {
  /** Whether other records of this user already wait. */
  isAwaited(user: UserKey): boolean;
}
