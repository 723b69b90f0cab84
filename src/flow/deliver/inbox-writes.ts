import type { Mail } from '../../domain/mailboxes.ts';
import type { StoreTransaction } from '../../ports/store.ts';
import { announcementsOf } from './announce.ts';

/** Writes what a batch did to inboxes and, where others hear of it, the announcements of what arrived. */
export function writesOf(
  transaction: StoreTransaction,
  mail: Mail,
  { announcesDeliveries, now }: { readonly announcesDeliveries: boolean; readonly now: Date },
): readonly Promise<void>[] {
  return [
    transaction.removeNotifications(mail.joined),
    transaction.addNotifications(mail.added),
    transaction.saveNotifications(mail.changed),
    transaction.addChanges(mail.changes),
    transaction.saveInboxes(mail.touched),
    transaction.addOutgoing(announcesDeliveries ? announcementsOf(mail.arrivals, now) : [], now),
  ];
}
