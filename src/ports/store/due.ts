import type { UserInbox } from '../../domain/inbox.ts';
import type { ZonedLimit } from '../../domain/limit.ts';
import type { Notification } from '../../domain/notification.ts';
import type { UserKey } from '../../domain/user.ts';

/** Tells when the next row is due. */
export interface DueStore {
  /** The earliest moment at which time changes a notification, a limit or a record that waits. undefined if there is none. */
  nextDue(): Promise<Date | undefined>;
}

export interface DueTransaction {
  /**
   * At most `limit` notifications that are due, with the inboxes of their users, locked like `lockInboxes` does. Skips
   * inboxes that another transaction has locked, so that any number of workers take different ones.
   */
  lockDue(
    now: Date,
    limit: number,
  ): Promise<{ readonly locked: readonly UserInbox[]; readonly due: readonly Notification[] }>;
  /**
   * At most `limit` limits whose status changes with time, with their users locked. Skips users that another transaction has
   * locked, so that any number of workers take different ones.
   */
  lockLimitsDue(now: Date, limit: number): Promise<readonly ZonedLimit[]>;
  /** Makes a row that is due at `now` due at `until` instead. A row that is no longer due is not changed. */
  postpone(row: DueRow, now: Date, until: Date): Promise<void>;
}

/** A notification or a limit that is due. */
export type DueRow = UserKey & ({ readonly id: string } | { readonly userLimitId: string });
