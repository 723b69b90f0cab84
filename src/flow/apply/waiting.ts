import { runEach } from '../../async/run-each.ts';
import { AppError } from '../../domain/error.ts';
import { badgeOf } from '../../domain/inbox.ts';
import { createInboxBatch } from '../../domain/inbox-batch.ts';
import { dueAtOf } from '../../domain/notification.ts';
import { distinctUsers } from '../../domain/user.ts';
import { nextLookAt } from '../../domain/waiting.ts';
import { decode } from '../../events/codec.ts';
import type { NotificationSent } from '../../events/notification.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { DeadLetterTransaction } from '../../ports/store/dead-letters.ts';
import type { EventTransaction } from '../../ports/store/events.ts';
import type { HealthStore } from '../../ports/store/health.ts';
import type { FinishTransaction, Transactions } from '../../ports/store/transactions.ts';
import type { WaitingForUser, WaitingStore, WaitingTransaction } from '../../ports/store/waiting.ts';
import { announceDue } from '../deliver/due.ts';
import { type InboxWritesTransaction, writesOf } from '../deliver/inbox-writes.ts';
import { publishBadges } from '../deliver/publish.ts';
import { deadLetterOf, type Failure } from './dead-letters.ts';
import { createIsolate, defaultMaxLockedMs } from './isolate.ts';
import { draftOf, groupOf } from './notifications.ts';

/** The maximum number of records in a batch. */
const batchSize = 500;

/**
 * The maximum time for a batch, in ms. It is longer than the time until a slow record becomes a dead letter.
 */
const maxTimeMs = 60_000;

/**
 * The failure of a record whose user still does not exist. It counts two attempts: at the arrival of the
 * record and at its deadline.
 */
const inVain: Failure = { code: 'USER_NOT_FOUND', reason: 'userId: no such user', attempts: 2 };

/** The functions of a transaction that applies waiting records. */
export type WaitTransaction = WaitingTransaction &
  EventTransaction &
  DeadLetterTransaction &
  InboxWritesTransaction &
  FinishTransaction;

interface WaitingDeps {
  readonly store: WaitingStore & HealthStore & Transactions<WaitTransaction>;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface WaitingOptions {
  readonly lockedCategories: readonly string[];
  readonly announcesDeliveries: boolean;
}

/**
 * Creates the background task for the records that wait for their users. If a user now exists, the records of
 * this user are applied in the order of the log, each exactly once. The transaction that applies a record
 * also locks the user and removes the record from the table. A record whose deadline has passed becomes a
 * dead letter. Several workers may run this task.
 */
export function createWaiting(deps: WaitingDeps, options: WaitingOptions) {
  return {
    /**
     * Handles one batch of records whose users now exist, and one batch of records whose users still do not
     * exist. A failure of one batch does not skip the other batch. Resolves to the number of records.
     */
    async settle(signal: AbortSignal): Promise<number> {
      const [applied = 0, looked = 0] = await runEach([
        () => applyAppeared(deps, options, signal),
        () => lookAgain(deps),
      ]);
      return applied + looked;
    },
  };
}

/**
 * Applies the records that are still in the table and whose users no other worker has locked. Resolves to the
 * number of these records.
 */
async function applyWaiting(
  { store, clock, ...publish }: WaitingDeps,
  { lockedCategories, announcesDeliveries }: WaitingOptions,
  rows: readonly WaitingForUser[],
): Promise<number> {
  const now = clock.now();
  const { inboxes, added, count } = await store.transaction(async (transaction) => {
    const taken = await transaction.takeWaiting(rows);
    const events = rows.filter((_, index) => taken[index]).map(({ record }) => sentIn(record));
    const [claims, locked, known] = await Promise.all([
      transaction.claimEvents(events, now),
      transaction.lockInboxes(distinctUsers(events), now),
      transaction.reachOf({ groups: events.flatMap((event) => groupOf(event) ?? []), visits: [] }),
    ]);
    const inboxBatch = createInboxBatch({ locked, known, now, lockedCategories });
    for (const [index, event] of events.entries())
      if (claims[index]) inboxBatch.deliver(draftOf(event), { isNew: true });
    const writes = inboxBatch.writes();
    transaction.finish(...writesOf(transaction, writes, { announcesDeliveries, now }));
    return { inboxes: writes.touched, added: writes.added, count: events.length };
  });
  if (inboxes.length > 0) await publishBadges(publish, inboxes.map(badgeOf), 'ARRIVED');
  await announceDue(publish.pubSub, added.map(dueAtOf));
  return count;
}

/**
 * Applies the records of users who now exist. A batch is applied as a whole, or in parts if it fails.
 * Resolves to the number of applied records.
 */
async function applyAppeared(
  deps: WaitingDeps,
  options: WaitingOptions,
  signal: AbortSignal,
): Promise<number> {
  const { store, clock, logger } = deps;
  const rows = await store.waitingOf(await store.usersAppeared(clock.now(), batchSize), batchSize);
  if (rows.length === 0) return 0;
  const rowOf = new Map(rows.map((row) => [row.record, row]));
  const rowsOf = (records: readonly LogRecord[]) => records.flatMap((record) => rowOf.get(record) ?? []);
  let count = 0;
  const project = {
    probe: () => store.probe(),
    deadLetter: (record: LogRecord, why: Failure) =>
      store.transaction((transaction) => setAside(transaction, rowsOf([record]), why, clock.now())),
  };
  const isolate = createIsolate(
    { group: 'waiting records', project, logger },
    { maxLockedMs: defaultMaxLockedMs },
  );
  const work = async (records: readonly LogRecord[]) => {
    count += await applyWaiting(deps, options, rowsOf(records));
  };
  // Limits the time, because the rest of the schedule waits for this batch.
  await isolate.apply([...rowOf.keys()], work, AbortSignal.any([signal, AbortSignal.timeout(maxTimeMs)]));
  return count;
}

/** Turns waiting records into dead letters. */
async function setAside(
  transaction: DeadLetterTransaction & WaitingTransaction,
  rows: readonly WaitingForUser[],
  why: Failure,
  now: Date,
): Promise<void> {
  await Promise.all([
    transaction.addDeadLetters(rows.map(({ record, tenantId }) => deadLetterOf(record, why, now, tenantId))),
    transaction.removeWaiting(rows),
  ]);
}

/**
 * Handles the records that are due and whose users do not exist. A record whose deadline has passed becomes a
 * dead letter. The other records are postponed. Resolves to the number of records that were due.
 */
async function lookAgain({ store, clock, logger }: WaitingDeps): Promise<number> {
  const now = clock.now();
  const { count, dead } = await store.transaction(async (transaction) => {
    const rows = await transaction.lockWaitingInVain(now, batchSize);
    const dead = rows.filter(({ deadlineAt }) => deadlineAt <= now);
    const others = rows.filter(({ deadlineAt }) => deadlineAt > now);
    await setAside(transaction, dead, inVain, now);
    await transaction.postponeWaiting(others.map((row) => ({ ...row, dueAt: nextLookAt(row, now) })));
    return { count: rows.length, dead };
  });
  if (dead.length > 0) {
    const places = dead.map(({ record: { topic, partition, offset } }) => `${topic}/${partition}/${offset}`);
    logger.error(
      { places: places.slice(0, 10), count: dead.length },
      'records became dead letters: their users did not appear',
    );
  }
  return count;
}

/** Returns the event of a waiting record. The worker that stored the record could read it. */
function sentIn(record: LogRecord): NotificationSent {
  const decoded = decode(record);
  if (decoded.kind === 'newer')
    throw new AppError('UNAVAILABLE', 'A newer worker kept this record. Upgrade the worker.');
  if (decoded.kind !== 'event' || decoded.event.type !== 'notificationSent')
    throw new Error('a waiting record holds no notification');
  return decoded.event;
}
