import { validate as isUuid, v5 as uuidV5 } from 'uuid';
import { itemsKey } from '../../domain/badge.ts';
import { AppError } from '../../domain/error.ts';
import { badgeOf, type Inbox } from '../../domain/inbox.ts';
import { createInboxBatch } from '../../domain/inbox-batch.ts';
import { defaultViewHorizonDays, horizonAt, viewsOf } from '../../domain/item.ts';
import { limitDueAt } from '../../domain/limit.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import { dueAtOf, type Notification, undelivered } from '../../domain/notification.ts';
import { type PageView, timelinessOf } from '../../domain/page-view.ts';
import { distinctUsers, userKeyOf } from '../../domain/user.ts';
import type { ActivityRecorded } from '../../events/activity.ts';
import { decode } from '../../events/codec.ts';
import type { Event as AnyEvent } from '../../events/event.ts';
import type { ItemViewed } from '../../events/item-view.ts';
import { isLimitEvent } from '../../events/limit.ts';
import type { NotificationSent } from '../../events/notification.ts';
import type { PageViewed } from '../../events/page-view.ts';
import { notificationCreatedTopic } from '../../events/topic.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { DeadLetter } from '../../ports/store/dead-letters.ts';
import type { Store, StoreTransaction } from '../../ports/store/store.ts';
import { announceDue } from '../deliver/due.ts';
import { writesOf } from '../deliver/inbox-writes.ts';
import { publishBadges, publishLimits, publishRereads } from '../deliver/publish.ts';
import { applyLimitEvents, lockLimits, noLimitChanges } from './apply-limits.ts';
import { deadLetterOf, type Failure } from './dead-letters.ts';
import { hold } from './hold.ts';

/** Namespace of row ids for events whose own id is not a uuid. */
const rowNamespace = 'b3c1b1a4-3d5f-4a0e-8f0c-6b8a2f0c9d11';

interface ProjectOptions {
  /** Views older than this are not kept. */
  readonly retentionDays: number;
  /** Critical notifications of these categories reach whoever they are for. */
  readonly lockedCategories?: readonly string[];
  /** How long items count, and views of them are remembered. Default 183. */
  readonly viewHorizonDays?: number;
  /** Whether other systems hear of each delivered notification. Default false. */
  readonly announcesDeliveries?: boolean;
  /** When users are told that a limit runs out; absent: never. */
  readonly limitThresholds?: LimitThresholds;
  /** How long a notification waits for its user to exist. Default 30 s. */
  readonly unknownUserWaitMs?: number;
}

/** Applies records to the store. */
export interface Project {
  /**
   * Applies each event of the records exactly once, in one transaction, then publishes the badges of every user named in
   * them. Records that cannot be read become dead letters. Notifications for users who do not exist are kept as waiting, and
   * so are those behind them until these were applied (`flow/waiting.ts`).
   */
  apply(records: readonly LogRecord[]): Promise<void>;
  /** Keeps a record that cannot be applied as a dead letter. */
  deadLetter(record: LogRecord, why: Failure): Promise<void>;
  /** Whether the store is well: it takes a small write soon. Rejects when it does not. */
  probe(): Promise<void>;
  /** How many records held nothing to apply here: tombstones, and kinds of events that are others' or only counted. */
  ignoredRecords(): number;
  /** Views of items that are not published which were not kept, since their user has too many of them. */
  unkeptViews(): number;
  /** How often what a limit's progress said was used and what it said remained did not make up the value. */
  limitDisagreements(): number;
}

export function createProject(
  {
    store,
    pubSub,
    cache,
    clock,
    logger,
  }: {
    readonly store: Store;
    readonly pubSub: PubSub;
    readonly cache?: BadgeCache;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  {
    retentionDays,
    viewHorizonDays = defaultViewHorizonDays,
    lockedCategories = [],
    announcesDeliveries = false,
    limitThresholds,
    unknownUserWaitMs = 30_000,
  }: ProjectOptions,
): Project {
  let ignoredRecords = 0;
  let limitDisagreements = 0;
  let unkeptViews = 0;

  return {
    probe: () => store.probe(),
    ignoredRecords: () => ignoredRecords,
    limitDisagreements: () => limitDisagreements,
    unkeptViews: () => unkeptViews,
    async apply(records) {
      const now = clock.now();
      const { events, deadLetters, ...counts } = read(records, now);
      const all = events.map(({ event }) => event);
      const recordOf = new Map(events.map(({ event, record }) => [event, record]));
      const views = all.filter((event) => event.type === 'pageViewed');
      const itemViews = all.filter((event) => event.type === 'itemViewed');
      const isKept = ({ occurredAt }: Event) => timelinessOf(occurredAt, now, retentionDays) !== 'too-old';
      const keptViews = views.filter(isKept);
      const keptItemViews = itemViews.filter(isKept);
      const horizon = horizonAt(now, viewHorizonDays);
      const notifications = all.filter((event) => event.type === 'notificationSent');
      const limitEvents = all.filter(isLimitEvent);
      await store.preparePageViews(keptViews.map((view) => view.occurredAt));

      const groups = notifications.flatMap((event) => groupOf(event) ?? []);
      const visits = [...keptViews, ...keptItemViews].flatMap((view) =>
        subjectsOf(view).map((subjectId) => ({ tenantId: view.tenantId, userId: view.userId, subjectId })),
      );
      const usersWithUnreadAbout = await store.usersWithUnreadAbout(visits);
      // Whether anybody is told: not of page views that no notification is about.
      const publishes =
        notifications.length + itemViews.length + limitEvents.length + usersWithUnreadAbout.length > 0;

      const work = async (transaction: StoreTransaction) => {
        // Claims come first in the transaction; what need not wait for their answer travels with them. Page views create
        // their user before recipients are looked up. Inboxes of repeats are locked and published too: their first publish
        // may have been lost in a crash.
        const claimed = transaction.claimEvents(all, now);
        const ensured = transaction.ensureUsers(distinctUsers([...views, ...itemViews, ...limitEvents]), now);
        // Limits wait for their claims: whom they tell something is to be known before inboxes are locked.
        const limits =
          limitEvents.length === 0
            ? noLimitChanges
            : await Promise.all([claimed, lockLimits(transaction, limitEvents), ensured]).then(
                ([claims, locked]) =>
                  applyLimitEvents(locked, limitEvents, new Set(all.filter((_, index) => claims[index])), {
                    now,
                    thresholds: limitThresholds,
                  }),
              );
        const recipients = distinctUsers([...notifications, ...limits.notifications]);
        const first = Promise.all([
          claimed,
          ensured,
          transaction.lockInboxes(distinctUsers([...recipients, ...usersWithUnreadAbout]), now),
          transaction.reachOf({
            groups,
            visits: usersWithUnreadAbout.length > 0 || notifications.length > 0 ? visits : [],
          }),
          transaction.usersAwaited(distinctUsers(notifications)),
          transaction.addDeadLetters(deadLetters),
        ]);
        // While the database is busy with these.
        const rows = keptViews.map((view) => rowOf(view, recordOf.get(view)?.appendedAt ?? now));
        const [claims, woken, locked, known, awaited] = await first;
        const fresh = new Set<Event>(all.filter((_, index) => claims[index]));
        // Most of the rows; while the database writes them, the inboxes are worked out.
        transaction.finish(
          transaction.addPageViews(rows.filter((_, index) => fresh.has(keptViews[index] as PageViewed))),
          transaction
            .addItemViews(viewsOf(keptItemViews.filter((event) => fresh.has(event))), horizon)
            .then((unkept) => {
              unkeptViews += unkept;
            }),
        );
        const inboxBatch = createInboxBatch({ locked, known, now, lockedCategories });
        const waiting: { readonly event: NotificationSent; readonly record: LogRecord }[] = [];
        const awaitedKeys = new Set(awaited.map(userKeyOf));
        for (const { event, record } of events) {
          if (!fresh.has(event)) continue;
          if (event.type === 'notificationSent') {
            if (awaitedKeys.has(userKeyOf(event)) || !inboxBatch.deliver(draftOf(event), { isNew: true }))
              waiting.push({ event, record });
          } else if (event.type === 'pageViewed' || event.type === 'itemViewed') {
            inboxBatch.visit(event, subjectsOf(event), event.occurredAt);
          }
        }
        for (const notification of limits.notifications) inboxBatch.deliver(notification, { isNew: true });
        const writes = inboxBatch.writes();
        const held = await hold(transaction, waiting, locked, { now, waitMs: unknownUserWaitMs });
        transaction.finish(
          transaction.unclaimEvents(waiting.map(({ event }) => event)),
          transaction.addWaiting(held.rows),
          transaction.addDeadLetters(held.refused),
          ...writesOf(transaction, writes, { announcesDeliveries, now }),
          transaction.saveLimits(limits.changed),
          transaction.addLimitEvents(limits.records),
        );
        const recipientKeys = new Set(recipients.map(userKeyOf));
        const isRecipient = (inbox: Inbox) => recipientKeys.has(userKeyOf(inbox));
        return {
          arrived: writes.inboxes.filter(isRecipient),
          visited: writes.inboxes.filter((inbox) => !isRecipient(inbox)),
          dueAt: [
            ...[...writes.added, ...writes.changed].map(dueAtOf),
            ...held.rows.map((row) => row.dueAt),
            ...(woken ? [now] : []),
          ],
          refused: held.refused,
          limits,
        };
      };
      const { arrived, visited, dueAt, refused, limits } = await store.projection(work, { publishes });

      ignoredRecords += counts.ignoredRecords;
      limitDisagreements += limits.disagreements;
      const dead = [...deadLetters, ...refused];
      if (dead.length > 0) {
        const places = dead.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`);
        logger.error({ places: places.slice(0, 10), count: places.length }, 'records became dead letters');
      }
      if (arrived.length > 0) await publishBadges({ pubSub, cache, logger }, arrived.map(badgeOf), 'ARRIVED');
      if (visited.length > 0) await publishBadges({ pubSub, cache, logger }, visited.map(badgeOf), 'VIEWED');
      // Those of repeats too, whose first publish may have been lost in a crash. The readers count: a count takes the longer the
      // more items a collection and views a user has, and the position would wait for it.
      if (itemViews.length > 0)
        await publishRereads({ pubSub, logger }, itemViews.map(itemBadgeOf), 'VIEWED');
      if (limits.all.length > 0) await publishLimits({ pubSub, logger }, limits.all);
      await announceDue(pubSub, [...dueAt, ...limits.changed.map(limitDueAt)]);
    },

    async deadLetter(record, why) {
      const decoded = decode(record);
      const tenantId = decoded.kind === 'event' ? decoded.event.tenantId : tenantOfOurs(record);
      const deadLetter = deadLetterOf(record, why, clock.now(), tenantId);
      await store.projection((transaction) => transaction.addDeadLetters([deadLetter]), { publishes: false });
    },
  };
}

/** The others are for `flow/count.ts`. */
type Event = Exclude<AnyEvent, ActivityRecorded>;

interface ReadRecord {
  readonly record: LogRecord;
  readonly event: Event;
}

const farAhead: Failure = {
  code: 'MALFORMED_EVENT',
  reason: 'occurredAt: more than a day ahead of the clock',
  attempts: 1,
};

/** Whoever accepted the event may have a clock hours off; no clock is right that is a day ahead of ours. */
export function isFarAhead({ occurredAt }: Pick<AnyEvent, 'occurredAt'>, now: Date): boolean {
  return occurredAt.getTime() > now.getTime() + 86_400_000;
}

function read(records: readonly LogRecord[], now: Date) {
  const events: ReadRecord[] = [];
  const deadLetters: DeadLetter[] = [];
  let ignoredRecords = 0;
  for (const record of records) {
    const decoded = decode(record);
    switch (decoded.kind) {
      case 'event':
        if (isFarAhead(decoded.event, now))
          deadLetters.push(deadLetterOf(record, farAhead, now, decoded.event.tenantId));
        else if (decoded.event.type === 'activityRecorded') ignoredRecords += 1;
        else events.push({ record, event: decoded.event });
        break;
      case 'empty':
      case 'ignored':
        ignoredRecords += 1;
        break;
      case 'unreadable':
        deadLetters.push(
          deadLetterOf(
            record,
            { code: 'MALFORMED_EVENT', reason: decoded.reason, attempts: 1 },
            now,
            decoded.tenantId,
          ),
        );
        break;
      case 'newer':
        // A rolling deploy is under way: wait for this worker to be replaced rather than lose the event.
        throw new AppError(
          'UNAVAILABLE',
          `An event ${decoded.type} has schema version ${decoded.schemaVersion}, newer than this worker: upgrade it.`,
        );
      default:
        decoded satisfies never;
    }
  }
  return { events, deadLetters, ignoredRecords };
}

/** What we write ourselves says whose it is by its key. */
const tenantOfOurs = ({ topic, key }: LogRecord) =>
  topic === notificationCreatedTopic ? key?.split('/')[0] : undefined;

const itemBadgeOf = ({ tenantId, userId, data }: ItemViewed) => ({
  tenantId,
  userId,
  key: itemsKey(data.collection),
});

export const groupOf = ({ tenantId, userId, data: { groupKey } }: NotificationSent) =>
  groupKey === undefined ? undefined : { tenantId, userId, groupKey };

/** What a user looked at: what a page is about, or items. */
function subjectsOf({ data }: PageViewed | ItemViewed): readonly string[] {
  if ('itemIds' in data) return data.itemIds;
  return data.subjectId === undefined ? [] : [data.subjectId];
}

/** The notification an event is about. */
export function draftOf(event: NotificationSent): Notification {
  const { tenantId, userId, occurredAt, data } = event;
  return undelivered({
    tenantId,
    userId,
    id: rowIdOf(event),
    category: data.category,
    severity: data.severity,
    title: data.title,
    body: data.body ?? null,
    data: data.data ?? null,
    actionUrl: data.actionUrl ?? null,
    subjectId: data.subjectId ?? null,
    groupKey: data.groupKey ?? null,
    expiresAt: data.expiresAt ?? null,
    createdAt: occurredAt,
    scheduledFor: data.scheduledFor ?? null,
  });
}

function rowOf(view: PageViewed, receivedAt: Date): PageView {
  const { tenantId, userId, occurredAt, data } = view;
  const { name, path = null, subjectId = null } = data;
  return { tenantId, userId, id: activityIdOf(view), name, path, subjectId, occurredAt, receivedAt };
}

/** The uuid an event's row is kept under: its own id, or one derived from source and id. */
function rowIdOf({ id, source }: Event): string {
  return isUuid(id) ? id.toLowerCase() : derivedId(id, source);
}

/** The same for activity. Others give ids as they like, so that only one of our own is taken as it is. */
export function activityIdOf({ id, source }: Pick<AnyEvent, 'id' | 'source'>): string {
  return source === 'api' && isUuid(id) ? id.toLowerCase() : derivedId(id, source);
}

const derivedId = (id: string, source: string) => uuidV5(JSON.stringify([source, id]), rowNamespace);
