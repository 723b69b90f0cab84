import type { InboxWrites } from '../../domain/inbox-batch.ts';
import type { StoreTransaction } from '../../ports/store/store.ts';
import { announcementsOf } from './announce.ts';

/** Writes what a batch did to inboxes and, where others hear of it, the announcements of what arrived. */
export function writesOf(
  transaction: StoreTransaction,
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
