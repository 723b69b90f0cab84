import type { Counts } from '../../domain/inbox.ts';
import type { Notification, NotificationFilter } from '../../domain/notification.ts';
import type { UserKey } from '../../domain/user.ts';
import type { NotificationStore } from '../../ports/store/notifications.ts';
import { readSlice, type Slice } from './slice.ts';

type InboxPage = Parameters<NotificationStore['notifications']>[1];
type ScheduledPage = Parameters<NotificationStore['scheduled']>[1];

/** Reads notifications. */
export function createNotificationReads({ store }: { readonly store: NotificationStore }) {
  return {
    /** Returns the notifications of an inbox, newest first. */
    inbox: (user: UserKey, page: InboxPage): Promise<Slice<Notification>> =>
      readSlice(page.first, (first) => store.notifications(user, { ...page, first })),
    count: (user: UserKey, filter: NotificationFilter): Promise<number> =>
      store.countNotifications(user, filter),
    /** Returns the counts of each category with unseen or unread notifications, sorted by name. */
    countByCategory: (user: UserKey): Promise<readonly (Counts & { readonly category: string })[]> =>
      store.countByCategory(user),
    /** Returns scheduled notifications, the earliest delivery first. */
    scheduled: (user: UserKey, page: ScheduledPage): Promise<Slice<Notification>> =>
      readSlice(page.first, (first) => store.scheduled(user, { ...page, first })),
    countScheduled: (user: UserKey): Promise<number> => store.countScheduled(user),
    /** Returns a notification of any status. Undefined if it does not exist. */
    one: (tenantId: string, id: string): Promise<Notification | undefined> =>
      store.notification(tenantId, id),
  };
}

export type NotificationReads = ReturnType<typeof createNotificationReads>;
