import type { UserInbox } from '../../domain/inbox.ts';
import { userKeyOf } from '../../domain/user.ts';
import { maxWaitingOfTenant, nextLookAt } from '../../domain/waiting.ts';
import type { DeadLetter } from '../../ports/store/dead-letters.ts';
import type { WaitingForUser, WaitingTransaction } from '../../ports/store/waiting.ts';
import { deadLetterOf, type Failure } from './dead-letters.ts';
import type { ReadRecord } from './read-records.ts';

/** The rows to write for records that must wait. */
interface Held {
  readonly rows: readonly (WaitingForUser & { readonly dueAt: Date })[];
  /** The dead letters of records that cannot wait, because too many records of their tenant already wait. */
  readonly refused: readonly DeadLetter[];
}

const tooMany: Failure = {
  code: 'USER_NOT_FOUND',
  reason: `userId: no such user, and ${maxWaitingOfTenant} records of the tenant already wait for their users`,
  attempts: 1,
};

/**
 * Decides whether records that cannot be applied yet wait or become dead letters. If the user does not exist,
 * the record waits, unless too many records of the tenant already wait. If the user exists, earlier records
 * of this user are still waiting. The record then waits too, so that the order of the log is kept, and is due
 * at once.
 */
export async function hold(
  transaction: Pick<WaitingTransaction, 'waitingCounts'>,
  sent: readonly ReadRecord[],
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
