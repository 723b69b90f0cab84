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
    /** The notifications of an inbox, newest first. */
    inbox: (user: UserKey, page: InboxPage): Promise<Slice<Notification>> =>
      readSlice(page.first, (first) => store.notifications(user, { ...page, first })),
    count: (user: UserKey, filter: NotificationFilter): Promise<number> =>
      store.countNotifications(user, filter),
    /** The counts of each category with unseen or unread notifications, by name. */
    countByCategory: (user: UserKey): Promise<readonly (Counts & { readonly category: string })[]> =>
      store.countByCategory(user),
    /** Scheduled notifications, the earliest first. */
    scheduled: (user: UserKey, page: ScheduledPage): Promise<Slice<Notification>> =>
      readSlice(page.first, (first) => store.scheduled(user, { ...page, first })),
    countScheduled: (user: UserKey): Promise<number> => store.countScheduled(user),
    /** A notification of any status. */
    one: (tenantId: string, id: string): Promise<Notification | undefined> =>
      store.notification(tenantId, id),
  };
}

export type NotificationReads = ReturnType<typeof createNotificationReads>;
