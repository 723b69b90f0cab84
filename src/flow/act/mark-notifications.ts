import type { Badge } from '../../domain/badge.ts';
import {
  addCounts,
  badgeOf,
  type Inbox,
  maxIdsOfChange,
  noteChange,
  withCounts,
} from '../../domain/inbox.ts';
import { type Problem, userNotFound } from '../../domain/problem.ts';
import type { UserKey } from '../../domain/user.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { InboxTransaction } from '../../ports/store/inboxes.ts';
import type { Marking, NotificationTransaction } from '../../ports/store/notifications.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import { publishBadges } from '../deliver/publish.ts';

/**
 * The notifications to mark. Without `upToSeq`, all notifications that have arrived before the marking begins
 * can match.
 */
export interface MarkRequest extends Pick<Marking, 'action' | 'which'> {
  readonly upToSeq?: bigint | undefined;
}

interface MarkedStep {
  readonly inbox: Inbox;
  readonly count: number;
  readonly unknownIds: readonly string[];
  /** The range of sequence numbers that is not marked yet. Undefined after the last step. */
  readonly next: Pick<Marking, 'afterSeq' | 'upToSeq'> | undefined;
}

interface MarkDeps {
  readonly store: Transactions<InboxTransaction & NotificationTransaction>;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Marks notifications of an inbox. A large inbox is marked in steps of some thousand notifications. After
 * each step, the badge is correct. A repeated call changes nothing, or finishes an interrupted call.
 * `unknownIds` are the requested ids whose notifications never arrived in this inbox.
 */
export async function markNotifications(
  deps: MarkDeps,
  key: UserKey,
  request: MarkRequest,
): Promise<
  | { readonly badge: Badge; readonly affectedCount: number; readonly unknownIds: readonly string[] }
  | { readonly problem: Problem }
> {
  let affectedCount = 0;
  let rest: MarkRequest & Pick<Marking, 'afterSeq'> = { ...request, afterSeq: 0n };
  for (;;) {
    const now = deps.clock.now();
    const step = await deps.store.transaction((transaction) => markStep(transaction, key, rest, now), key);
    if (!step) return { problem: userNotFound(['input', 'userId']) };
    const badge = badgeOf(step.inbox);
    if (step.count > 0) await publishBadges(deps, [badge], 'MARKED');
    affectedCount += step.count;
    if (!step.next) return { badge, affectedCount, unknownIds: step.unknownIds };
    rest = { ...rest, ...step.next };
  }
}

/**
 * Marks the notifications of one step, which begins after `afterSeq`. Resolves to undefined if the user does
 * not exist.
 */
async function markStep(
  transaction: InboxTransaction & NotificationTransaction,
  key: UserKey,
  { action, which, afterSeq, upToSeq }: MarkRequest & Pick<Marking, 'afterSeq'>,
  now: Date,
): Promise<MarkedStep | undefined> {
  const [locked] = await transaction.lockInboxes([key], now);
  if (!locked) return undefined;
  const { inbox } = locked;
  const end = upToSeq === undefined || upToSeq > inbox.lastSeq ? inbox.lastSeq : upToSeq;
  const ids = 'ids' in which ? which.ids : [];
  const arrivedIds = ids.length === 0 ? [] : await transaction.arrivedIds(key, ids);
  const endOfStep = 'ids' in which ? undefined : await transaction.endOfStep(key, afterSeq);
  const isLast = endOfStep === undefined || endOfStep >= end;
  const stretch = { afterSeq, upToSeq: isLast ? end : endOfStep };
  const marked = await transaction.markNotifications(inbox, { action, which, ...stretch }, now);
  const count = marked.ids.length;
  const step = {
    count,
    unknownIds: ids.filter((id) => !arrivedIds.includes(id)),
    next: isLast ? undefined : { afterSeq: endOfStep, upToSeq: end },
  };
  if (count === 0) return { ...step, inbox };
  const lastSeq = action === 'UNSNOOZE' ? inbox.lastSeq + BigInt(count) : inbox.lastSeq;
  const noted = noteChange(
    withCounts({ ...inbox, lastSeq }, addCounts(inbox, marked.delta), now),
    // A change to more than `maxIdsOfChange` notifications does not list their ids.
    { action, ids: count > maxIdsOfChange ? [] : marked.ids },
    now,
  );
  await Promise.all([transaction.saveInboxes([noted.inbox]), transaction.addChanges([noted.change])]);
  return { ...step, inbox: noted.inbox };
}
