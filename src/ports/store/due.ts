import type { UserInbox } from '../../domain/inbox.ts';
import type { ZonedLimit } from '../../domain/limit.ts';
import type { Notification } from '../../domain/notification.ts';
import type { UserKey } from '../../domain/user.ts';

/** Tells when the next row is due, which means that it must change because of the time. */
export interface DueStore {
  /**
   * Returns the earliest time at which a notification, a limit or a waiting record is due. Undefined if there
   * is none.
   */
  nextDue(): Promise<Date | undefined>;
}

export interface DueTransaction {
  /**
   * Returns at most `limit` notifications that are due, with the inboxes of their users. Locks these inboxes
   * like `lockInboxes`. Skips inboxes that another transaction has locked, so that concurrent workers take
   * different inboxes.
   */
  lockDue(
    now: Date,
    limit: number,
  ): Promise<{ readonly locked: readonly UserInbox[]; readonly due: readonly Notification[] }>;
  /**
   * Returns at most `limit` limits whose status must change because of the time. Locks their users. Skips
   * users that another transaction has locked, so that concurrent workers take different users.
   */
  lockLimitsDue(now: Date, limit: number): Promise<readonly ZonedLimit[]>;
  /** Changes the due time of a row to `until` if the row is due at `now`. Otherwise, changes nothing. */
  postpone(row: DueRow, now: Date, until: Date): Promise<void>;
}

/** A notification or a limit that is due. */
export type DueRow = UserKey & ({ readonly id: string } | { readonly userLimitId: string });
