import type { Badge } from '../../domain/badge.ts';
import { badgeOf, type Inbox, noteChange, open, watermarkAfterOpening } from '../../domain/inbox.ts';
import { type Problem, userNotFound } from '../../domain/problem.ts';
import type { UserKey } from '../../domain/user.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { InboxTransaction } from '../../ports/store/inboxes.ts';
import type { NotificationTransaction } from '../../ports/store/notifications.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import { publishBadges } from '../deliver/publish.ts';

type OpenTransaction = InboxTransaction & NotificationTransaction;

interface OpenDeps {
  readonly store: Transactions<OpenTransaction>;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Opens the inbox, which marks every notification up to `upToSeq` as seen. Without `upToSeq`, marks all
 * notifications that have arrived. Later arrivals stay unseen. The unseen notifications above `upToSeq` are
 * counted again, which also corrects a wrong count.
 */
export async function openInbox(
  deps: OpenDeps,
  key: UserKey,
  upToSeq: bigint | undefined,
): Promise<{ readonly badge: Badge } | { readonly problem: Problem }> {
  const now = deps.clock.now();
  const opened = await deps.store.transaction(
    (transaction) => openLocked(transaction, key, upToSeq, now),
    key,
  );
  if (!opened) return { problem: userNotFound(['input', 'userId']) };
  const badge = badgeOf(opened);
  await publishBadges(deps, [badge], 'OPENED');
  return { badge };
}

/** Opens the inbox under its lock. Resolves to undefined if the user does not exist. */
async function openLocked(
  transaction: OpenTransaction,
  key: UserKey,
  upToSeq: bigint | undefined,
  now: Date,
): Promise<Inbox | undefined> {
  const [locked] = await transaction.lockInboxes([key], now);
  if (!locked) return undefined;
  const { inbox } = locked;
  const openedSeq = watermarkAfterOpening(inbox, upToSeq);
  const unseen = openedSeq === inbox.lastSeq ? 0 : await transaction.countUnseen(key, openedSeq);
  const opened = open(inbox, openedSeq, unseen, now);
  if (openedSeq === inbox.openedSeq) {
    await transaction.saveInboxes([opened]);
    return opened;
  }
  const stretch = { from: inbox.openedSeq, to: openedSeq };
  const noted = noteChange(opened, { action: 'SEEN', ids: [], stretch }, now);
  await Promise.all([
    transaction.saveInboxes([noted.inbox]),
    transaction.addChanges([noted.change]),
    transaction.addOpening(key, openedSeq, now),
  ]);
  return noted.inbox;
}
