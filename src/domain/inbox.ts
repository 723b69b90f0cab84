import { type Badge, notificationsKey } from './badge.ts';
import type { Notification, NotificationContent } from './notification.ts';
import { type Recipient, refusalOf } from './preference.ts';
import type { UserKey } from './user.ts';

/** The state of a user's inbox. Changed only under its lock, so version order is commit order. */
export interface Inbox extends UserKey {
  /** Arrived after the watermark. */
  readonly unseen: number;
  readonly unread: number;
  /** Of the newest notification; 0 when none has arrived. */
  readonly lastSeq: bigint;
  /** The watermark: everything up to here was shown. */
  readonly openedSeq: bigint;
  readonly version: number;
  readonly lastOpenedAt: Date | null;
  readonly updatedAt: Date;
}

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
    version,
    lastOpenedAt: null,
    updatedAt: now,
  };
}

/** A notification that was sent and not yet applied. */
export interface Arrival {
  readonly id: string;
  readonly content: NotificationContent;
  readonly sentAt: Date;
}

/** A notification reaches its user, or is kept as SUPPRESSED: that one never counts, and opting in later does not change it. */
export function deliver(
  inbox: Inbox,
  user: Recipient,
  arrival: Arrival,
  now: Date,
  lockedCategories: readonly string[],
): { readonly inbox: Inbox; readonly notification: Notification } {
  const { tenantId, userId } = user;
  const base = {
    ...arrival.content,
    tenantId,
    userId,
    id: arrival.id,
    createdAt: arrival.sentAt,
    seenAt: null,
  };
  const suppressedReason = refusalOf(user, arrival.content, lockedCategories) ?? null;
  if (suppressedReason !== null) {
    const notification = { ...base, status: 'SUPPRESSED', seq: null, deliveredAt: null } as const;
    return { inbox, notification: { ...notification, suppressedReason } };
  }
  const seq = inbox.lastSeq + 1n;
  return {
    inbox: {
      ...inbox,
      lastSeq: seq,
      unseen: inbox.unseen + 1,
      unread: inbox.unread + 1,
      version: inbox.version + 1,
      updatedAt: now,
    },
    notification: { ...base, status: 'DELIVERED', seq, deliveredAt: now, suppressedReason },
  };
}

/** Where opening puts the watermark: never back, never beyond what has arrived. */
export function watermarkAfterOpening(inbox: Inbox, upToSeq: bigint | undefined): bigint {
  const upTo = upToSeq === undefined || upToSeq > inbox.lastSeq ? inbox.lastSeq : upToSeq;
  if (upTo < inbox.openedSeq) return inbox.openedSeq;
  return upTo;
}

/** The inbox was opened; `unseen` is what a count of the rows above the watermark says. */
export function open(inbox: Inbox, openedSeq: bigint, unseen: number, now: Date): Inbox {
  const changed = unseen !== inbox.unseen;
  return {
    ...inbox,
    openedSeq,
    unseen,
    lastOpenedAt: now,
    version: changed ? inbox.version + 1 : inbox.version,
    updatedAt: changed ? now : inbox.updatedAt,
  };
}
