import type { Badge } from '../../domain/badge.ts';
import {
  badgeOf,
  countsAfter,
  type Inbox,
  type InboxChange,
  noteChange,
  withCounts,
} from '../../domain/inbox.ts';
import { dueAtOf, type Notification } from '../../domain/notification.ts';
import type { Problem } from '../../domain/problem.ts';
import { notThere, type snooze } from '../../domain/timing.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { InboxTransaction } from '../../ports/store/inboxes.ts';
import type { NotificationStore, NotificationTransaction } from '../../ports/store/notifications.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import { announceDue } from '../deliver/due.ts';
import { publishBadges } from '../deliver/publish.ts';

type ChangeTransaction = InboxTransaction & NotificationTransaction;

interface ChangeDeps {
  readonly store: NotificationStore & Transactions<ChangeTransaction>;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Named {
  readonly tenantId: string;
  readonly id: string;
}

/** The result of a change. If the problem has no path, the problem is about the id. */
export type Changed =
  | { readonly notification: Notification; readonly badge: Badge }
  | { readonly problem: Omit<Problem, 'path'> & Partial<Pick<Problem, 'path'>> };

/** A change of one notification. */
interface NotificationChange {
  /** Whether the caller may act for this user. */
  mayAct(userId: string): boolean;
  decide(row: Notification, now: Date): ReturnType<typeof snooze>;
  /**
   * The action that is recorded in the history of the inbox and published. If undefined, nothing is recorded
   * or published.
   */
  readonly action?: InboxChange['action'];
}

/** Changes one notification under the lock of its inbox. */
export async function changeNotification(
  deps: ChangeDeps,
  named: Named,
  change: NotificationChange,
): Promise<Changed> {
  const now = deps.clock.now();
  const found = await deps.store.notification(named.tenantId, named.id);
  if (!found || !change.mayAct(found.userId)) return { problem: notThere };
  const changed = await deps.store.transaction(
    (transaction) => changeLocked(transaction, named, found.userId, change, now),
    found,
  );
  if ('problem' in changed) return changed;
  const badge = badgeOf(changed.inbox);
  if (change.action) await publishBadges(deps, [badge], 'SNOOZED');
  await announceDue(deps.pubSub, [dueAtOf(changed.notification)]);
  return { notification: changed.notification, badge };
}

/** Changes the notification and the counts of its inbox, which is locked. */
async function changeLocked(
  transaction: ChangeTransaction,
  { tenantId, id }: Named,
  userId: string,
  { decide, action }: NotificationChange,
  now: Date,
): Promise<
  | { readonly notification: Notification; readonly inbox: Inbox }
  | Extract<ReturnType<typeof snooze>, { problem: unknown }>
> {
  const [locked] = await transaction.lockInboxes([{ tenantId, userId }], now);
  const row = await transaction.notification(tenantId, id);
  if (!locked || !row) return { problem: notThere };
  const after = decide(row, now);
  if ('problem' in after) return after;
  await transaction.saveNotifications([after]);
  const counted = withCounts(locked.inbox, countsAfter(locked.inbox, row, after), now);
  const noted = action && noteChange(counted, { action, ids: [id] }, now);
  const inbox = noted?.inbox ?? counted;
  await Promise.all([transaction.saveInboxes([inbox]), transaction.addChanges(noted ? [noted.change] : [])]);
  return { notification: after, inbox };
}
