import type { Counts, Inbox } from '../../domain/inbox.ts';
import type { Notification, NotificationAction, NotificationFilter } from '../../domain/notification.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Stretch } from './inboxes.ts';

/** Reads notifications. */
export interface NotificationStore {
  /** Delivered notifications with a seq below `before`, newest first. */
  notifications(
    key: UserKey,
    page: NotificationFilter & { readonly first: number; readonly before?: bigint },
  ): Promise<readonly Notification[]>;
  countNotifications(key: UserKey, filter: NotificationFilter): Promise<number>;
  /** The counts of each category with unseen or unread notifications, by name. */
  countByCategory(key: UserKey): Promise<readonly (Counts & { readonly category: string })[]>;
  /** Notifications that are scheduled, after the place `after`: the next first, ties by id. */
  scheduled(
    key: UserKey,
    page: { readonly first: number; readonly after?: { readonly scheduledFor: Date; readonly id: string } },
  ): Promise<readonly Notification[]>;
  countScheduled(key: UserKey): Promise<number>;
  notification(tenantId: string, id: string): Promise<Notification | undefined>;
  /** Per stretch of arrivals, the oldest `first` delivered notifications whose place is in it now. */
  arrivals(stretches: readonly Stretch[], first: number): Promise<readonly (readonly Notification[])[]>;
  /** The users among these visitors who have unread notifications about the subject they visited. */
  usersWithUnreadAbout(visits: readonly Visit[]): Promise<readonly UserKey[]>;
}

export interface NotificationTransaction {
  addNotifications(notifications: readonly Notification[]): Promise<void>;
  notification(tenantId: string, id: string): Promise<Notification | undefined>;
  /** Overwrites rows that exist, except for their keys. */
  saveNotifications(notifications: readonly Notification[]): Promise<void>;
  removeNotifications(notifications: readonly Notification[]): Promise<void>;
  /**
   * The notifications that a batch can change in locked inboxes. First, the notifications that visits read:
   * about `maxReadByVisit` of a user at most, the newest about each subject first. Second, the newest unseen
   * notification of each group that is neither among these nor in `atHand`.
   */
  reachOf(reach: {
    readonly groups: readonly (UserKey & { readonly groupKey: string })[];
    readonly visits: readonly Visit[];
    readonly atHand?: readonly Notification[];
  }): Promise<readonly Notification[]>;
  /** How many notifications above a watermark are unseen, counted from the rows of a locked inbox. */
  countUnseen(key: UserKey, openedSeq: bigint): Promise<number>;
  /**
   * Applies an action to the delivered notifications in `(afterSeq, upToSeq]` that the action changes. UNSNOOZE gives them
   * new places after `lastSeq`. Without ids, the stretch must not be longer than `endOfStep` allows.
   */
  markNotifications(inbox: Inbox, marking: Marking, now: Date): Promise<Marked>;
  /** The last place of a step that begins after a place. undefined when everything after it fits into the step. */
  endOfStep(key: UserKey, afterSeq: bigint): Promise<bigint | undefined>;
  /** The ids among these whose notifications arrived in the user's inbox. */
  arrivedIds(key: UserKey, ids: readonly string[]): Promise<readonly string[]>;
}

/** A user looked at a subject. */
export interface Visit extends UserKey {
  readonly subjectId: string;
}

export interface Marking {
  readonly action: NotificationAction;
  /** The notifications with these ids, or those that match the filter. */
  readonly which: { readonly ids: readonly string[] } | { readonly filter: NotificationFilter };
  readonly afterSeq: bigint;
  readonly upToSeq: bigint;
}

/** The notifications that a step of marking changed. */
export interface Marked {
  readonly ids: readonly string[];
  /** The difference that the change makes to the counts. Negative where fewer count. */
  readonly delta: Counts;
}
