import { Prisma } from '../generated/client.ts';

/** A notification `n` that can count: it has arrived, and is neither archived nor snoozed. The indexes of what counts say it so. */
export const isCountableRow = Prisma.sql`n.status = 'DELIVERED' AND n.archived_at IS NULL AND n.snoozed_until IS NULL`;

/** A notification `n` that counts as unread; `domain/notification.ts` says the same. */
export const isUnreadRow = Prisma.sql`(${isCountableRow} AND n.read_at IS NULL)`;

/** A notification `n` that counts as unseen above this watermark; `domain/inbox.ts` says the same. */
export const isUnseenRow = (openedSeq: bigint | Prisma.Sql) =>
  Prisma.sql`(${isCountableRow} AND n.seen_at IS NULL AND n.seq > ${openedSeq}::bigint)`;
