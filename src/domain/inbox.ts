import { type Badge, notificationsKey } from './badge.ts';
import { isUnread, type Notification, type NotificationAction } from './notification.ts';
import { type Recipient, refusalOf } from './preference.ts';
import type { UserKey } from './user.ts';

/** The state of a user's inbox. Every change holds the lock of its row, so versions follow the order of the commits. */
export interface Inbox extends UserKey {
  /** Notifications after the watermark that were not marked as seen. */
  readonly unseen: number;
  readonly unread: number;
  /** The sequence number of the newest arrival. 0 if nothing has arrived. */
  readonly lastSeq: bigint;
  /** The watermark: the user has seen every notification up to this sequence number. */
  readonly openedSeq: bigint;
  /** The number of the newest change to notifications that had arrived. 0 if there was none. */
  readonly changeSeq: bigint;
  readonly version: number;
  /** The first version of this inbox. It differs for each inbox that a user has after an erasure. */
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

/** A change to notifications that had arrived, for clients that follow an inbox. */
export interface InboxChange extends UserKey {
  readonly changeSeq: bigint;
  /** The newest arrival before the change. */
  readonly lastSeq: bigint;
  readonly action: NotificationAction | 'SNOOZE' | 'EXPIRE';
  /** The changed notifications. Empty if `stretch` says which ones changed. */
  readonly ids: readonly string[];
  /** The change covers the notifications that were unseen among the arrivals `(from, to]`. */
  readonly stretch: { readonly from: bigint; readonly to: bigint } | null;
  readonly changedAt: Date;
}

/** A change to more notifications than this does not list their ids. */
export const maxIdsOfChange = 1_000;

/** The badge of an inbox. */
export function badgeOf(inbox: Inbox): Badge {
  const { tenantId, userId, unseen, unread, version, updatedAt } = inbox;
  return { tenantId, userId, key: notificationsKey, unseen, unread, version, asOf: updatedAt };
}

/** The inbox of a user without arrivals. Versions begin at 0, or after the versions of the tenant's erased users. */
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

/** The inbox with these counts. It gets a new version if the counts differ. */
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

/** The counts after a notification changed. Each count changes by one at most. */
export function countsAfter(inbox: Inbox, before: Notification, after: Notification): Counts {
  const delta = (is: (one: Notification) => boolean) => Number(is(after)) - Number(is(before));
  return addCounts(inbox, { unseen: delta((one) => isUnseen(inbox, one)), unread: delta(isUnread) });
}

/** Adds to counts. A count never becomes negative. A recount repairs counts that were too low. */
export function addCounts(counts: Counts, delta: Counts): Counts {
  return {
    unseen: Math.max(0, counts.unseen + delta.unseen),
    unread: Math.max(0, counts.unread + delta.unread),
  };
}

/** A notification after its delivery, and the inbox after it. */
interface Delivered {
  readonly inbox: Inbox;
  readonly notification: Notification;
}

/**
 * Delivers a notification. It becomes SUPPRESSED if its user cannot receive it, and then never counts, even if the user opts in
 * later. It becomes EXPIRED if its time is over. It stays SCHEDULED if its time is in the future. Otherwise it arrives.
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

/** Puts a notification at the newest place of the inbox, unseen and unread. A notification may arrive more than once. */
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

/** Adds a notification to its group. The row of the group gets the new content and the newest place, and counts once. */
export function join(inbox: Inbox, group: Notification, newest: Notification, now: Date): Delivered {
  const { id, seq, status, groupCount } = group;
  return arrive(inbox, { ...newest, id, seq, status, groupCount: groupCount + 1 }, now);
}

/** Records a change to notifications that had arrived. */
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

/** The watermark after opening. It never moves back, and never beyond the newest arrival. */
export function watermarkAfterOpening(inbox: Inbox, upToSeq: bigint | undefined): bigint {
  const upTo = upToSeq === undefined || upToSeq > inbox.lastSeq ? inbox.lastSeq : upToSeq;
  if (upTo < inbox.openedSeq) return inbox.openedSeq;
  return upTo;
}

/** The inbox after opening. `unseen` counts the notifications above the watermark. */
export function open(inbox: Inbox, openedSeq: bigint, unseen: number, now: Date): Inbox {
  return {
    ...withCounts(inbox, { unseen, unread: inbox.unread }, now),
    openedSeq,
    lastOpenedAt: now,
  };
}
