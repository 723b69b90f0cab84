import { Prisma } from './generated/client.ts';

/** A notification `n` that can count: it has arrived, and is neither archived nor snoozed. The indexes of what counts say it so. */
export const live = Prisma.sql`n.status = 'DELIVERED' AND n.archived_at IS NULL AND n.snoozed_until IS NULL`;
