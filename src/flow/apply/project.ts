import { badgeOf, type Inbox } from '../../domain/inbox.ts';
import { createInboxBatch, type InboxWrites } from '../../domain/inbox-batch.ts';
import { defaultViewHorizonDays } from '../../domain/item.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import { dueAtOf } from '../../domain/notification.ts';
import { distinctUsers, type UserKey, userKeyOf } from '../../domain/user.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { DeadLetter } from '../../ports/store/dead-letters.ts';
import type { EventStore } from '../../ports/store/events.ts';
import type { HealthStore } from '../../ports/store/health.ts';
import type { NotificationStore } from '../../ports/store/notifications.ts';
import type { PartitionStore } from '../../ports/store/partitions.ts';
import type { StoreTransaction } from '../../ports/store/store.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import { announceDue } from '../deliver/due.ts';
import { writesOf } from '../deliver/inbox-writes.ts';
import { publishBadges } from '../deliver/publish.ts';
import { withoutApplied } from './applied.ts';
import { type Batch, selectBatch } from './batch.ts';
import { deadLetterOf, type Failure } from './dead-letters.ts';
import { hold } from './hold.ts';
import { type ReadRecord, tenantOf } from './read-records.ts';
import type { Effects, Fresh } from './stage.ts';
import { createStages, type StageCounters } from './stages.ts';

interface ProjectDeps {
  readonly store: Transactions<StoreTransaction> &
    EventStore &
    NotificationStore &
    PartitionStore &
    HealthStore;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface ProjectOptions {
  /** The maximum age of stored views, in days. */
  readonly retentionDays: number;
  /** The categories whose critical notifications are delivered even if the user has opted out. */
  readonly lockedCategories?: readonly string[];
  /** The number of days for which items count and views of items are stored. Defaults to 183. */
  readonly viewHorizonDays?: number;
  /** Whether Unseen announces each delivered notification to other systems. Defaults to false. */
  readonly announcesDeliveries?: boolean;
  /** The thresholds at which users are notified about their limits. If absent, no user is notified. */
  readonly limitThresholds?: LimitThresholds;
  /** The maximum time for which a notification waits for its user to exist, in ms. Defaults to 30 s. */
  readonly unknownUserWaitMs?: number;
}

/** Applies records to the store. */
export interface Project extends StageCounters {
  /**
   * Applies each event of the records exactly once, in one transaction. After the commit, publishes the
   * badges of all users in the records.
   *
   * A record that cannot be read becomes a dead letter. A notification for a user who does not exist is
   * stored in a table and waits there. Later notifications for this user wait until the first notification is
   * applied (`waiting.ts`).
   */
  apply(records: readonly LogRecord[]): Promise<void>;
  /** Turns a record that cannot be applied into a dead letter. */
  deadLetter(record: LogRecord, why: Failure): Promise<void>;
  /**
   * Resolves if the store accepts a small write within a second. Rejects if the store does not accept the
   * write.
   */
  probe(): Promise<void>;
  /**
   * Returns the number of records that had no event to apply. Such records are tombstones, events for other
   * systems, and events that are only counted.
   */
  ignoredRecords(): number;
}

export function createProject(
  deps: ProjectDeps,
  {
    retentionDays,
    viewHorizonDays = defaultViewHorizonDays,
    lockedCategories = [],
    announcesDeliveries = false,
    limitThresholds,
    unknownUserWaitMs = 30_000,
  }: ProjectOptions,
): Project {
  const { store, clock } = deps;
  const { stages, counters } = createStages(deps, { retentionDays, viewHorizonDays, limitThresholds });
  const rules: BatchRules = { lockedCategories, announcesDeliveries, unknownUserWaitMs };
  let ignoredRecords = 0;

  return {
    ...counters,
    probe: () => store.probe(),
    ignoredRecords: () => ignoredRecords,
    async apply(all) {
      const records = await withoutApplied(store, all);
      if (records.length === 0) return;
      const batch = selectBatch(stages, records, clock.now());
      for (const run of batch.runs) await run.makeRoom?.();
      const visitors = await store.usersWithUnreadAbout(batch.visits);
      const outcome = await store.projection(
        (transaction) => applyBatch(transaction, batch, visitors, rules),
        { publishes: batch.isPublished || visitors.length > 0 },
      );
      ignoredRecords += batch.ignoredRecords;
      await publishOutcome(deps, batch, outcome);
    },

    async deadLetter(record, why) {
      const letter = deadLetterOf(record, why, clock.now(), tenantOf(record));
      await store.projection((transaction) => transaction.addDeadLetters([letter]), { publishes: false });
    },
  };
}

interface BatchRules {
  readonly lockedCategories: readonly string[];
  readonly announcesDeliveries: boolean;
  readonly unknownUserWaitMs: number;
}

/** The result of a batch, for publishing. */
interface Outcome {
  /**
   * The inboxes of users to whom the batch sends notifications, even if the notifications were already
   * delivered.
   */
  readonly arrived: readonly Inbox[];
  /** The other inboxes that were locked. */
  readonly visited: readonly Inbox[];
  readonly refused: readonly DeadLetter[];
  readonly dueAt: readonly (Date | null)[];
}

/**
 * Applies a batch in a transaction. The first statements claim the events, which records that they are
 * applied. The statements that need not wait for the claims are sent at the same time. The users of the
 * events are created before the recipients are read. Locks are taken in the order claims, users, inboxes.
 */
async function applyBatch(
  transaction: StoreTransaction,
  batch: Batch,
  visitors: readonly UserKey[],
  rules: BatchRules,
): Promise<Outcome> {
  const { now, runs } = batch;
  const claimed = claim(transaction, batch);
  const ensured = transaction.ensureUsers(batch.creates, now);
  const effects = await lockRuns(transaction, batch, { claimed, ensured });
  const caused = effects.flatMap(({ notifications }) => notifications);
  const recipients = distinctUsers([...batch.recipients, ...caused]);
  // The inboxes of repeated events are locked and published again, because a crash may have prevented the
  // first publish.
  const locks = Promise.all([
    claimed,
    ensured,
    transaction.lockInboxes(distinctUsers([...recipients, ...visitors]), now),
    transaction.reachOf({
      groups: batch.groups,
      visits: visitors.length > 0 || batch.recipients.length > 0 ? batch.visits : [],
    }),
    transaction.usersAwaited(batch.recipients),
    transaction.addDeadLetters(batch.deadLetters),
  ]);
  for (const run of runs) run.prepare?.();
  const [fresh, areAwaited, locked, known, awaited] = await locks;
  // Runs without `lock` write most of the rows. The database writes these rows while this process applies the
  // events to the inboxes.
  transaction.finish(...runs.flatMap((run) => (run.lock ? [] : (run.write?.(transaction, fresh) ?? []))));
  const inboxes = createInboxBatch({ locked, known, now, lockedCategories: rules.lockedCategories });
  const waiting = applyToInboxes(batch, fresh, inboxes, awaited);
  for (const notification of caused) inboxes.deliver(notification, { isNew: true });
  const writes = inboxes.writes();
  const held = await hold(transaction, waiting, locked, { now, waitMs: rules.unknownUserWaitMs });
  transaction.finish(
    transaction.unclaimEvents(waiting.map(({ event }) => event)),
    transaction.addWaiting(held.rows),
    transaction.addDeadLetters(held.refused),
    ...writesOf(transaction, writes, { announcesDeliveries: rules.announcesDeliveries, now }),
    ...runs.flatMap((run) => (run.lock ? (run.write?.(transaction, fresh) ?? []) : [])),
  );
  return {
    ...byCause(writes, recipients),
    refused: held.refused,
    dueAt: [
      ...[...writes.added, ...writes.changed].map(dueAtOf),
      ...held.rows.map((row) => row.dueAt),
      ...(areAwaited ? [now] : []),
      ...effects.flatMap(({ dueAt }) => dueAt),
    ],
  };
}

/**
 * Claims the events of a batch, which records that they are applied. Resolves to the events that were not
 * applied before.
 */
async function claim(transaction: StoreTransaction, { events, now }: Batch): Promise<Fresh> {
  const all = events.map(({ event }) => event);
  const claims = await transaction.claimEvents(all, now);
  return new Set(all.filter((_, index) => claims[index]));
}

/**
 * Runs the `lock` step of the stages that have this step. One statement locks all users, so that two batches
 * cannot deadlock.
 */
async function lockRuns(
  transaction: StoreTransaction,
  { runs, locks }: Batch,
  { claimed, ensured }: { readonly claimed: Promise<Fresh>; readonly ensured: Promise<unknown> },
): Promise<readonly Effects[]> {
  if (locks.length === 0) return [];
  const locking = { fresh: claimed, users: transaction.lockUsers(locks) };
  const effects = runs.flatMap((run) => run.lock?.(transaction, locking) ?? []);
  const [found] = await Promise.all([Promise.all(effects), ensured]);
  return found;
}

/**
 * Applies the events that were not applied before to the inboxes, in the order of the log. Returns the
 * records that must wait for their users.
 */
function applyToInboxes(
  { events }: Batch,
  fresh: Fresh,
  { deliver, visit }: ReturnType<typeof createInboxBatch>,
  awaited: readonly UserKey[],
): readonly ReadRecord[] {
  const awaitedKeys = new Set(awaited.map(userKeyOf));
  const inboxes = { deliver, visit, isAwaited: (user: UserKey) => awaitedKeys.has(userKeyOf(user)) };
  return events.filter(({ event, run }) => fresh.has(event) && run.apply?.(event, inboxes) === 'waits');
}

function byCause(
  { inboxes }: InboxWrites,
  recipients: readonly UserKey[],
): Pick<Outcome, 'arrived' | 'visited'> {
  const recipientKeys = new Set(recipients.map(userKeyOf));
  const isRecipient = (inbox: Inbox) => recipientKeys.has(userKeyOf(inbox));
  return {
    arrived: inboxes.filter(isRecipient),
    visited: inboxes.filter((inbox) => !isRecipient(inbox)),
  };
}

/** Publishes the result of a batch after its commit. */
async function publishOutcome(
  deps: Omit<ProjectDeps, 'store' | 'clock'>,
  batch: Batch,
  { arrived, visited, refused, dueAt }: Outcome,
): Promise<void> {
  const dead = [...batch.deadLetters, ...refused];
  if (dead.length > 0) {
    const places = dead.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`);
    deps.logger.error({ places: places.slice(0, 10), count: places.length }, 'records became dead letters');
  }
  if (arrived.length > 0) await publishBadges(deps, arrived.map(badgeOf), 'ARRIVED');
  if (visited.length > 0) await publishBadges(deps, visited.map(badgeOf), 'VIEWED');
  for (const run of batch.runs) await run.publish?.();
  await announceDue(deps.pubSub, dueAt);
}
