import type { InboxBatch } from '../../domain/inbox-batch.ts';
import type { Notification } from '../../domain/notification.ts';
import type { User, UserKey } from '../../domain/user.ts';
import type { Event } from '../../events/event.ts';
import type { Visit } from '../../ports/store/notifications.ts';
import type { StoreTransaction } from '../../ports/store/store.ts';
import type { ReadRecord } from './read-records.ts';

/** How the events of one family are applied. `stages.ts` lists the stages, and `project.ts` runs them. */
export interface Stage<E extends Event = Event> {
  readonly types: readonly E['type'][];
  /** Prepares to apply the events of the family in one batch, of which there is at least one, in the order of the log. */
  select(records: readonly ReadRecord<E>[], now: Date): StageRun<E>;
}

/**
 * One batch of a family: first its effects beyond its own rows, then its steps in the order in which they run. Between
 * `lock` and `write`, all are in the transaction of the batch. A step that a family does not need is absent.
 */
export interface StageRun<E extends Event = Event> {
  /** Users who are created if they do not exist. */
  readonly creates?: readonly UserKey[];
  /** Users who receive notifications: their inboxes are locked, and records of users who do not exist are held back. */
  readonly recipients?: readonly UserKey[];
  /** Groups of notifications that the events may join. */
  readonly groups?: readonly (UserKey & { readonly groupKey: string })[];
  /** Visits by which notifications are read. */
  readonly visits?: readonly Visit[];
  /** Users whose rows of the family are written: locked before `lock` resolves, all users of a batch in one statement. */
  readonly locks?: readonly UserKey[];
  /** Whether the batch publishes something even if it changes no inbox. */
  readonly isPublished?: boolean;

  /** Makes room for the rows, before the transaction. */
  makeRoom?(): Promise<void>;
  /**
   * Reads the rows that the events change and applies the events to these rows. The statements must be sent before the first
   * await, so that they travel with the claims. Runs before inboxes are locked.
   */
  lock?(transaction: StoreTransaction, locking: Locking): Promise<Effects>;
  /** Computes what needs no answer of the database, while the database is busy with the locks. */
  prepare?(): void;
  /** Applies a fresh event to the inboxes, in the order of the log. An event that waits for its user is not applied. */
  apply?(event: E, inboxes: OpenInboxes): 'applied' | 'waits';
  /** Writes the rows. A run without `lock` writes while the events are applied to inboxes, one with `lock` writes last. */
  write?(transaction: StoreTransaction, fresh: Fresh): readonly Promise<void>[];
  /** Publishes the result after the commit. It publishes repeated events, too: a crash may have prevented their first publish. */
  publish?(): Promise<void>;
}

/** The events of a batch that were not applied before. */
export type Fresh = ReadonlySet<Event>;

/** The statements on which `lock` waits. */
export interface Locking {
  readonly fresh: Promise<Fresh>;
  /** The users of `locks` that exist, of all families. */
  readonly users: Promise<readonly User[]>;
}

/** The effects of the events of a family beyond the rows of the family. */
export interface Effects {
  /** Delivered in the same transaction, after the notifications of the batch. */
  readonly notifications: readonly Notification[];
  /** Moments at which time changes the rows. */
  readonly dueAt: readonly (Date | null)[];
}

/** The locked inboxes of a batch. */
export interface OpenInboxes extends Pick<InboxBatch, 'deliver' | 'visit'> {
  /** Whether records of this user wait already. */
  isAwaited(user: UserKey): boolean;
}
