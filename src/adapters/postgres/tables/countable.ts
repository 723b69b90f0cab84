import { type Fragment, sql } from '../sql.ts';

/**
 * Whether a notification `n` can count as unseen or unread: the notification has arrived and is neither
 * archived nor snoozed. The partial indexes repeat this condition literally.
 */
export const isCountableRow = sql`n.status = 'DELIVERED' AND n.archived_at IS NULL AND n.snoozed_until IS NULL`;

/** Whether a notification `n` counts as unread, like `isUnread` in `domain/notification.ts`. */
export const isUnreadRow = sql`(${isCountableRow} AND n.read_at IS NULL)`;

/**
 * Whether a notification `n` counts as unseen if the watermark is `openedSeq`, like `isUnseen` in
 * `domain/inbox.ts`.
 */
export const isUnseenRow = (openedSeq: bigint | Fragment) =>
  sql`(${isCountableRow} AND n.seen_at IS NULL AND n.seq > ${openedSeq}::bigint)`;
