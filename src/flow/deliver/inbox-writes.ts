import type { InboxWrites } from '../../domain/inbox-batch.ts';
import type { InboxTransaction } from '../../ports/store/inboxes.ts';
import type { NotificationTransaction } from '../../ports/store/notifications.ts';
import type { OutgoingTransaction } from '../../ports/store/outgoing.ts';
import { announcementsOf } from './announce.ts';

/** The functions of a transaction that write the inbox changes of a batch. */
export type InboxWritesTransaction = InboxTransaction & NotificationTransaction & OutgoingTransaction;

/**
 * Writes the inbox changes of a batch. If `announcesDeliveries` is true, also writes the announcements of the
 * arrived notifications.
 */
export function writesOf(
  transaction: InboxWritesTransaction,
  writes: InboxWrites,
  { announcesDeliveries, now }: { readonly announcesDeliveries: boolean; readonly now: Date },
): readonly Promise<void>[] {
  return [
    transaction.removeNotifications(writes.joined),
    transaction.addNotifications(writes.added),
    transaction.saveNotifications(writes.changed),
    transaction.addChanges(writes.changes),
    transaction.saveInboxes(writes.touched),
    transaction.addOutgoing(announcesDeliveries ? announcementsOf(writes.arrivals, now) : [], now),
  ];
}
