import type { UserInbox } from '../../domain/inbox.ts';
import { userKeyOf } from '../../domain/user.ts';
import { maxWaitingOfTenant, nextLookAt } from '../../domain/waiting.ts';
import type { NotificationSent } from '../../events/notification.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { DeadLetter } from '../../ports/store/dead-letters.ts';
import type { StoreTransaction } from '../../ports/store/store.ts';
import type { WaitingForUser } from '../../ports/store/waiting.ts';
import { deadLetterOf, type Failure } from './dead-letters.ts';

/** What is to be kept of records that cannot be applied yet. */
interface Held {
  readonly rows: readonly (WaitingForUser & { readonly dueAt: Date })[];
  /** Too many wait already. */
  readonly refused: readonly DeadLetter[];
}

const tooMany: Failure = {
  code: 'USER_NOT_FOUND',
  reason: `userId: no such user, and ${maxWaitingOfTenant} records of the tenant wait for theirs already`,
  attempts: 1,
};

/**
 * Decides about notifications whose users do not exist: they wait for them, as long as not too many of their tenant do. Those
 * of users who do exist are behind others that wait, in the order of the log, and are next.
 */
export async function hold(
  transaction: StoreTransaction,
  sent: readonly { readonly event: NotificationSent; readonly record: LogRecord }[],
  existing: readonly UserInbox[],
  { now, waitMs }: { readonly now: Date; readonly waitMs: number },
): Promise<Held> {
  const known = new Set(existing.map(({ user }) => userKeyOf(user)));
  const unknown = sent.filter(({ event }) => !known.has(userKeyOf(event)));
  const tenantIds = new Set(unknown.map(({ event }) => event.tenantId));
  const counts = new Map(tenantIds.size > 0 ? await transaction.waitingCounts([...tenantIds]) : []);
  const wait = { receivedAt: now, deadlineAt: new Date(now.getTime() + waitMs) };
  const rows: Held['rows'][number][] = [];
  const refused: DeadLetter[] = [];
  for (const { event, record } of sent) {
    const { tenantId, userId } = event;
    const isKnown = known.has(userKeyOf(event));
    const count = counts.get(tenantId) ?? 0;
    if (!isKnown && count >= maxWaitingOfTenant) refused.push(deadLetterOf(record, tooMany, now, tenantId));
    else rows.push({ tenantId, userId, record, ...wait, dueAt: isKnown ? now : nextLookAt(wait, now) });
    if (!isKnown) counts.set(tenantId, count + 1);
  }
  return { rows, refused };
}
