import type { Counts, Inbox } from '../../domain/inbox.ts';
import type { Notification, NotificationAction, NotificationFilter } from '../../domain/notification.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Stretch } from './inboxes.ts';

/** Reads notifications. */
export interface NotificationStore {
  /** Returns delivered notifications with a `seq` less than `before`, newest first. */
  notifications(
    key: UserKey,
    page: NotificationFilter & { readonly first: number; readonly before?: bigint },
  ): Promise<readonly Notification[]>;
  countNotifications(key: UserKey, filter: NotificationFilter): Promise<number>;
  /** Returns the counts of each category that has unseen or unread notifications, sorted by name. */
  countByCategory(key: UserKey): Promise<readonly (Counts & { readonly category: string })[]>;
  /**
   * Returns scheduled notifications that follow `after` in the list, the earliest delivery first, ties by id.
   */
  scheduled(
    key: UserKey,
    page: { readonly first: number; readonly after?: { readonly scheduledFor: Date; readonly id: string } },
  ): Promise<readonly Notification[]>;
  countScheduled(key: UserKey): Promise<number>;
  notification(tenantId: string, id: string): Promise<Notification | undefined>;
  /**
   * Returns for each stretch the oldest `first` delivered notifications whose current `seq` is in the
   * stretch.
   */
  arrivals(stretches: readonly Stretch[], first: number): Promise<readonly (readonly Notification[])[]>;
  /** Returns the visitors who have unread notifications about the subject they visited. */
  usersWithUnreadAbout(visits: readonly Visit[]): Promise<readonly UserKey[]>;
}

export interface NotificationTransaction {
  addNotifications(notifications: readonly Notification[]): Promise<void>;
  notification(tenantId: string, id: string): Promise<Notification | undefined>;
  /** Overwrites existing rows. The keys do not change. */
  saveNotifications(notifications: readonly Notification[]): Promise<void>;
  removeNotifications(notifications: readonly Notification[]): Promise<void>;
  /**
   * Returns the notifications that a batch can change in locked inboxes. First, the notifications that visits
   * mark as read: of each user at most about `maxReadByVisit`, the newest about each subject first. Second,
   * the newest unseen notification of each group. For the second part, notifications of the first part and of
   * `atHand` are ignored.
   */
  reachOf(reach: {
    readonly groups: readonly (UserKey & { readonly groupKey: string })[];
    readonly visits: readonly Visit[];
    readonly atHand?: readonly Notification[];
  }): Promise<readonly Notification[]>;
  /**
   * Returns the number of unseen notifications with a `seq` greater than `openedSeq`. Counts the rows of a
   * locked inbox.
   */
  countUnseen(key: UserKey, openedSeq: bigint): Promise<number>;
  /**
   * Applies an action to delivered notifications in `(afterSeq, upToSeq]`. Skips notifications that the
   * action would not change. UNSNOOZE gives them new numbers after `lastSeq`. Without ids, the stretch must
   * not be longer than `endOfStep` allows.
   */
  markNotifications(inbox: Inbox, marking: Marking, now: Date): Promise<Marked>;
  /**
   * Returns the last `seq` of a step that begins after `afterSeq`. A step is as many notifications as one
   * transaction may mark. Undefined if all notifications after `afterSeq` fit into one step.
   */
  endOfStep(key: UserKey, afterSeq: bigint): Promise<bigint | undefined>;
  /** Returns the given ids of notifications that have arrived in the inbox of the user. */
  arrivedIds(key: UserKey, ids: readonly string[]): Promise<readonly string[]>;
}

/** A visit of a user to a subject. */
export interface Visit extends UserKey {
  readonly subjectId: string;
}

export interface Marking {
  readonly action: NotificationAction;
  /** The notifications with these ids, or the notifications that match the filter. */
  readonly which: { readonly ids: readonly string[] } | { readonly filter: NotificationFilter };
  readonly afterSeq: bigint;
  readonly upToSeq: bigint;
}

/** The notifications that a step of marking changed. */
export interface Marked {
  readonly ids: readonly string[];
  /** The change of the counts. A number is negative if the count decreased. */
  readonly delta: Counts;
}
