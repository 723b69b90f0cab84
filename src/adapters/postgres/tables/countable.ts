import { type Fragment, sql } from '../sql.ts';

/** A notification `n` that can count: it has arrived, and is neither archived nor snoozed. The indexes of what counts say it so. */
export const isCountableRow = sql`n.status = 'DELIVERED' AND n.archived_at IS NULL AND n.snoozed_until IS NULL`;

/** A notification `n` that counts as unread; `domain/notification.ts` says the same. */
export const isUnreadRow = sql`(${isCountableRow} AND n.read_at IS NULL)`;

/** A notification `n` that counts as unseen above this watermark; `domain/inbox.ts` says the same. */
export const isUnseenRow = (openedSeq: bigint | Fragment) =>
  sql`(${isCountableRow} AND n.seen_at IS NULL AND n.seq > ${openedSeq}::bigint)`;
