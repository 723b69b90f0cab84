import { type Badge, notificationsKey } from './badge.ts';
import { isUnread, type Notification, type NotificationAction } from './notification.ts';
import { type Recipient, refusalOf } from './preference.ts';
import type { UserKey } from './user.ts';

/** The state of a user's inbox. Changed only under its lock, so version order is commit order. */
export interface Inbox extends UserKey {
  /** Arrived after the watermark, and not seen on their own. */
  readonly unseen: number;
  readonly unread: number;
  /** Of the newest arrival; 0 when nothing has arrived. */
  readonly lastSeq: bigint;
  /** The watermark: everything up to here was shown. */
  readonly openedSeq: bigint;
  /** Of the newest change to what had arrived; 0 when there was none. */
  readonly changeSeq: bigint;
  readonly version: number;
  /** The version it began with: another for each inbox that a user has after being erased. */
  readonly firstVersion: number;
  readonly lastOpenedAt: Date | null;
  readonly updatedAt: Date;
}

export interface UserInbox {
  readonly user: Recipient;
  readonly inbox: Inbox;
}

/** What makes up a badge. */
export interface Counts {
  readonly unseen: number;
  readonly unread: number;
}

/** Something that happened to notifications that had arrived, for whoever follows an inbox. */
export interface InboxChange extends UserKey {
  readonly changeSeq: bigint;
  /** It happened after this arrival and before the next. */
  readonly lastSeq: bigint;
  readonly action: NotificationAction | 'SNOOZE' | 'EXPIRE';
  /** Which, or those that were unseen in a stretch of arrivals `(from, to]`. */
  readonly ids: readonly string[];
  readonly stretch: { readonly from: bigint; readonly to: bigint } | null;
  readonly changedAt: Date;
}

/** A change to more notifications names none of them. */
export const maxIdsOfChange = 1_000;

/** The badge an inbox amounts to. */
export function badgeOf(inbox: Inbox): Badge {
  const { tenantId, userId, unseen, unread, version, updatedAt } = inbox;
  return { tenantId, userId, key: notificationsKey, unseen, unread, version, asOf: updatedAt };
}

/** The inbox of a user for whom nothing ever arrived. Versions begin at 0, or where the tenant's erased users left off. */
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

/** The inbox with these counts: a new version when they differ. */
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

/** The counts after a notification became another: each is off by one at most. */
export function countsAfter(inbox: Inbox, before: Notification, after: Notification): Counts {
  const delta = (is: (one: Notification) => boolean) => Number(is(after)) - Number(is(before));
  return addCounts(inbox, { unseen: delta((one) => isUnseen(inbox, one)), unread: delta(isUnread) });
}

/** Adds to counts. Counts that were too low before stay at 0 until a recount repairs them. */
export function addCounts(counts: Counts, delta: Counts): Counts {
  return {
    unseen: Math.max(0, counts.unseen + delta.unseen),
    unread: Math.max(0, counts.unread + delta.unread),
  };
}

/** What has come, or what is due, and the inbox after it. */
interface Delivered {
  readonly inbox: Inbox;
  readonly notification: Notification;
}

/**
 * What becomes of a notification that is not delivered yet: SUPPRESSED when its user cannot receive it, which never counts,
 * also not after opting in; EXPIRED when its time is over; SCHEDULED when it is still to come; else it arrives.
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

/** It arrives, for the first time or again: at the newest place, unseen and unread. */
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

/** Another of its group has come: its content at the newest place, in the row of the group, which counts once. */
export function join(inbox: Inbox, group: Notification, newest: Notification, now: Date): Delivered {
  const { id, seq, status, groupCount } = group;
  return arrive(inbox, { ...newest, id, seq, status, groupCount: groupCount + 1 }, now);
}

/** Notes that something happened to notifications that had arrived. */
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

/** Where opening puts the watermark: never back, never beyond what has arrived. */
export function watermarkAfterOpening(inbox: Inbox, upToSeq: bigint | undefined): bigint {
  const upTo = upToSeq === undefined || upToSeq > inbox.lastSeq ? inbox.lastSeq : upToSeq;
  if (upTo < inbox.openedSeq) return inbox.openedSeq;
  return upTo;
}

/** The inbox after it was opened; `unseen` counts the notifications above the watermark. */
export function open(inbox: Inbox, openedSeq: bigint, unseen: number, now: Date): Inbox {
  return {
    ...withCounts(inbox, { unseen, unread: inbox.unread }, now),
    openedSeq,
    lastOpenedAt: now,
  };
}
