import type { Caller } from '../../domain/caller.ts';
import type { RecordContext, RecordDeps, Recorded, RecordOptions } from './context.ts';
import { type ItemViewsInput, recordItemViews } from './item-views.ts';
import { type NotificationInput, type NotificationsInput, recordNotifications } from './notifications.ts';
import { type PageViewInput, recordPageViews } from './page-views.ts';
import { createQuotas, unlimited } from './quota.ts';

/**
 * Creates the functions that record events. The functions validate inputs, give each event its id, and append
 * the events to the log. When a call resolves, the recorded events are durable. A worker applies them shortly
 * afterwards. A call rejects with UNAVAILABLE if it is unknown whether the events were recorded. The caller
 * then retries with the same idempotency key.
 */
export function createRecord(
  deps: RecordDeps,
  { retentionDays, lockedCategories = [], quotas = createQuotas(deps, unlimited) }: RecordOptions,
) {
  const context: RecordContext = { ...deps, retentionDays, lockedCategories, quotas };
  return {
    /** Records the valid views. Returns a problem for each refused view. */
    pageViews: (caller: Caller, mutation: string, inputs: readonly PageViewInput[]): Promise<Recorded> =>
      recordPageViews(context, caller, mutation, inputs),

    /**
     * Records that a user viewed items of a collection, as one event. The items need not be published. A
     * repeated call changes nothing.
     */
    itemViews: (caller: Caller, input: ItemViewsInput): Promise<Recorded> =>
      recordItemViews(context, caller, input),

    /**
     * Records one notification if the user exists and can receive it. The id of the notification is the id of
     * the event.
     */
    notification: (caller: Caller, mutation: string, input: NotificationInput): Promise<Recorded> =>
      recordNotifications(context, caller, mutation, {
        ...input,
        named: input.userId,
        addressees: [{ userId: input.userId, at: ['input', 'userId'] }],
      }),

    /**
     * Records one notification for each user who exists and can receive it. Returns a problem for every other
     * user. The idempotency key is for the whole call. A repeated call returns the first answer, even if
     * users have changed their preferences since then.
     */
    notifications: (caller: Caller, mutation: string, input: NotificationsInput): Promise<Recorded> =>
      recordNotifications(context, caller, mutation, {
        ...input,
        named: input.userIds,
        addressees: input.userIds.map((userId, n) => ({
          userId,
          at: ['input', 'userIds', String(n)],
          ofMany: true,
        })),
      }),
  };
}

export type Record = ReturnType<typeof createRecord>;
