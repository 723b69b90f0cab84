import { type Badge, notificationsKey } from './badge.ts';
import { isUnread, type Notification, type NotificationAction } from './notification.ts';
import { type Recipient, refusalOf } from './preference.ts';
import type { UserKey } from './user.ts';

/**
 * The state of the inbox of a user. Every transaction that changes an inbox locks its row, so versions follow
 * the order of the commits.
 */
export interface Inbox extends UserKey {
  /** Notifications after the watermark that were not marked as seen. */
  readonly unseen: number;
  readonly unread: number;
  /** The sequence number of the newest arrived notification. 0 if none has arrived. */
  readonly lastSeq: bigint;
  /** The watermark: the user has seen every notification up to this sequence number. */
  readonly openedSeq: bigint;
  /** The number of the newest change to arrived notifications. 0 if there was no change. */
  readonly changeSeq: bigint;
  readonly version: number;
  /**
   * The first version of this inbox. If a user is erased and created again, the new inbox has another first
   * version.
   */
  readonly firstVersion: number;
  readonly lastOpenedAt: Date | null;
  readonly updatedAt: Date;
}

export interface UserInbox {
  readonly user: Recipient;
  readonly inbox: Inbox;
}

/** The numbers of a badge. */
export interface Counts {
  readonly unseen: number;
  readonly unread: number;
}

/** A change to notifications that have already arrived. Clients that follow an inbox receive it. */
export interface InboxChange extends UserKey {
  readonly changeSeq: bigint;
  /** The sequence number of the newest arrival before the change. */
  readonly lastSeq: bigint;
  readonly action: NotificationAction | 'SNOOZE' | 'EXPIRE';
  /** The ids of the changed notifications. Empty if `stretch` says which notifications changed. */
  readonly ids: readonly string[];
  /**
   * Set if the user opened the inbox. The change is then about the notifications that were unseen and have a
   * sequence number in `(from, to]`.
   */
  readonly stretch: { readonly from: bigint; readonly to: bigint } | null;
  readonly changedAt: Date;
}

/** The maximum number of ids in a change. A change to more notifications has no ids. */
export const maxIdsOfChange = 1_000;

/** Returns the badge of an inbox. */
export function badgeOf(inbox: Inbox): Badge {
  const { tenantId, userId, unseen, unread, version, updatedAt } = inbox;
  return { tenantId, userId, key: notificationsKey, unseen, unread, version, asOf: updatedAt };
}

/**
 * Returns the inbox of a user without notifications. Its version is 0, or higher than the versions of the
 * tenant's erased users.
 */
export function emptyInbox({ tenantId, userId }: UserKey, now: Date, version = 0): Inbox {
  return {
    tenantId,
    userId,
    unseen: 0,
    unread: 0,
    lastSeq: 0n,
    openedSeq: 0n,
    changeSeq: 0n,
    version,
    firstVersion: version,
    lastOpenedAt: null,
    updatedAt: now,
  };
}

/** Returns the inbox with these counts. The inbox gets a new version if the counts differ. */
export function withCounts(inbox: Inbox, { unseen, unread }: Counts, now: Date): Inbox {
  if (unseen === inbox.unseen && unread === inbox.unread) return inbox;
  return { ...inbox, unseen, unread, version: inbox.version + 1, updatedAt: now };
}

/** Whether a notification of this inbox counts as unseen. */
export function isUnseen({ openedSeq }: Inbox, notification: Notification): boolean {
  const { seq, seenAt, archivedAt, snoozedUntil, status } = notification;
  if (status !== 'DELIVERED' || seq === null || seq <= openedSeq) return false;
  return seenAt === null && archivedAt === null && snoozedUntil === null;
}

/** Returns the counts after a notification has changed. Each count changes by at most 1. */
export function countsAfter(inbox: Inbox, before: Notification, after: Notification): Counts {
  const delta = (is: (one: Notification) => boolean) => Number(is(after)) - Number(is(before));
  return addCounts(inbox, { unseen: delta((one) => isUnseen(inbox, one)), unread: delta(isUnread) });
}

/**
 * Adds a difference to counts. A count never becomes negative, even if it was too low before. A recount
 * corrects such a count.
 */
export function addCounts(counts: Counts, delta: Counts): Counts {
  return {
    unseen: Math.max(0, counts.unseen + delta.unseen),
    unread: Math.max(0, counts.unread + delta.unread),
  };
}

/** A notification and its inbox after the delivery. */
interface Delivered {
  readonly inbox: Inbox;
  readonly notification: Notification;
}

/**
 * Delivers a notification. A notification that its user cannot receive becomes SUPPRESSED and never counts,
 * even if the user opts in later. A notification whose expiry has passed becomes EXPIRED. A notification with
 * a delivery time in the future stays SCHEDULED. Any other notification arrives.
 */
export function deliver(
  inbox: Inbox,
  user: Recipient,
  notification: Notification,
  now: Date,
  lockedCategories: readonly string[],
): Delivered {
  const { expiresAt, scheduledFor } = notification;
  const suppressedReason = refusalOf(user, notification, lockedCategories);
  if (suppressedReason !== undefined)
    return { inbox, notification: { ...notification, status: 'SUPPRESSED', suppressedReason } };
  if (expiresAt && expiresAt <= now) return { inbox, notification: { ...notification, status: 'EXPIRED' } };
  if (scheduledFor && scheduledFor > now) return { inbox, notification };
  return arrive(inbox, notification, now);
}

/**
 * Puts a notification at the top of the inbox, unseen and unread. The same notification may arrive again, for
 * example after a snooze.
 */
export function arrive(inbox: Inbox, notification: Notification, now: Date): Delivered {
  const seq = inbox.lastSeq + 1n;
  const arrived: Notification = {
    ...notification,
    seq,
    status: 'DELIVERED',
    deliveredAt: now,
    seenAt: null,
    readAt: null,
    snoozedUntil: null,
  };
  const wasUnread = isUnread(notification);
  const wasUnseen = isUnseen(inbox, notification);
  return {
    inbox: {
      ...inbox,
      lastSeq: seq,
      unseen: inbox.unseen + (wasUnseen ? 0 : 1),
      unread: inbox.unread + (wasUnread ? 0 : 1),
      version: inbox.version + 1,
      updatedAt: now,
    },
    notification: arrived,
  };
}

/**
 * Adds a notification to its group. The row of the group gets the new content, moves to the top of the inbox,
 * and counts as one notification.
 */
export function join(inbox: Inbox, group: Notification, newest: Notification, now: Date): Delivered {
  const { id, seq, status, groupCount } = group;
  return arrive(inbox, { ...newest, id, seq, status, groupCount: groupCount + 1 }, now);
}

/** Records a change to notifications that have already arrived. */
export function noteChange(
  inbox: Inbox,
  what: Pick<InboxChange, 'action' | 'ids'> & { readonly stretch?: InboxChange['stretch'] },
  now: Date,
): { readonly inbox: Inbox; readonly change: InboxChange } {
  const { tenantId, userId, lastSeq } = inbox;
  const changeSeq = inbox.changeSeq + 1n;
  return {
    inbox: { ...inbox, changeSeq },
    change: { tenantId, userId, changeSeq, lastSeq, stretch: null, ...what, changedAt: now },
  };
}

/**
 * Returns the watermark after the inbox is opened. The watermark never decreases and is never greater than
 * the newest arrival.
 */
export function watermarkAfterOpening(inbox: Inbox, upToSeq: bigint | undefined): bigint {
  const upTo = upToSeq === undefined || upToSeq > inbox.lastSeq ? inbox.lastSeq : upToSeq;
  if (upTo < inbox.openedSeq) return inbox.openedSeq;
  return upTo;
}

/**
 * Returns the inbox after it is opened. `unseen` is the number of unseen notifications above the watermark.
 */
export function open(inbox: Inbox, openedSeq: bigint, unseen: number, now: Date): Inbox {
  return {
    ...withCounts(inbox, { unseen, unread: inbox.unread }, now),
    openedSeq,
    lastOpenedAt: now,
  };
}
