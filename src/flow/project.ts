import { validate as isUuid, v5 as uuidV5 } from 'uuid';
import { AppError, type ErrorCode } from '../domain/error.ts';
import { badgeOf, type Inbox } from '../domain/inbox.ts';
import { createMailboxes } from '../domain/mailboxes.ts';
import { contentOf, type Notification } from '../domain/notification.ts';
import { type PageView, timelinessOf } from '../domain/page-view.ts';
import { distinctUsers, userKeyOf } from '../domain/user.ts';
import type { ActivityRecorded } from '../events/activity.ts';
import { type Event as AnyEvent, decode } from '../events/codec.ts';
import type { NotificationSent } from '../events/notification.ts';
import type { PageViewed } from '../events/page-view.ts';
import type { BadgeCache } from '../ports/badge-cache.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogRecord } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';
import type { DeadLetter, Store } from '../ports/store.ts';
import { publishBadges } from './publish.ts';
import { announceDue } from './schedule.ts';

/** Namespace of row ids for events whose own id is not a uuid. */
const rowNamespace = 'b3c1b1a4-3d5f-4a0e-8f0c-6b8a2f0c9d11';

interface ProjectOptions {
  /** Page views older than this are not kept. */
  readonly retentionDays: number;
  /** Critical notifications of these categories reach whoever they are for. */
  readonly lockedCategories?: readonly string[];
}

/** Applies records to the store. */
export interface Project {
  /**
   * Applies each event of the records exactly once, in one transaction, then publishes the badges of every user named in
   * them. Records that cannot be read become dead letters. Returns the records that wait for a user who does not exist;
   * nothing of those was applied.
   */
  apply(records: readonly LogRecord[]): Promise<readonly LogRecord[]>;
  /** Keeps a record that cannot be applied as a dead letter. */
  bury(record: LogRecord, why: Failure): Promise<void>;
  /** How many records held nothing to apply here: tombstones, and kinds of events that are others' or only counted. */
  passedOver(): number;
}

/** Why a record could not be applied, and after how many attempts. */
interface Failure {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly attempts: number;
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
  { retentionDays, lockedCategories = [] }: ProjectOptions,
): Project {
  let passedOver = 0;

  return {
    passedOver: () => passedOver,
    async apply(records) {
      const now = clock.now();
      const { events, deadLetters, ...counts } = read(records, now);
      const all = events.map(({ event }) => event);
      const appendedAt = new Map(events.map(({ event, record }) => [event, record.appendedAt]));
      const views = all.filter((event) => event.type === 'pageViewed');
      const keptViews = views.filter(
        (view) => timelinessOf(view.occurredAt, now, retentionDays) !== 'too-old',
      );
      const notifications = all.filter((event) => event.type === 'notificationSent');
      await store.preparePageViews(keptViews.map((view) => view.occurredAt));

      const groups = notifications.flatMap((event) => groupOf(event) ?? []);
      const visits = keptViews.flatMap((view) => visitOf(view) ?? []);
      const toldAbout = await store.toldAbout(visits);

      const { arrived, visited, waiting, timed } = await store.projection(async (transaction) => {
        // Claims come first in the transaction; what need not wait for their answer travels with them. Page views create
        // their user before recipients are looked up. Inboxes of repeats are locked and published too: their first publish
        // may have been lost in a crash.
        const first = Promise.all([
          transaction.claimEvents(all, now),
          transaction.ensureUsers(distinctUsers(views), now),
          transaction.lockInboxes(distinctUsers([...notifications, ...toldAbout]), now),
          transaction.unreadOf({
            groups,
            visits: toldAbout.length > 0 || notifications.length > 0 ? visits : [],
          }),
          transaction.addDeadLetters(deadLetters),
        ]);
        // While the database is busy with these.
        const rows = keptViews.map((view) => rowOf(view, appendedAt.get(view) ?? now));
        const [claims, , locked, known] = await first;
        const fresh = new Set<Event>(all.filter((_, index) => claims[index]));
        const mailboxes = createMailboxes({ locked, known, now, lockedCategories });
        const waiting: NotificationSent[] = [];
        for (const event of all) {
          if (!fresh.has(event)) continue;
          if (event.type === 'notificationSent') {
            if (!mailboxes.deliver(draftOf(event), { isNew: true })) waiting.push(event);
          } else if (event.data.subjectId !== undefined) {
            mailboxes.visit(event, event.data.subjectId, event.occurredAt);
          }
        }
        const mail = mailboxes.mail();
        const untouched = new Set(locked.map(({ inbox }) => inbox));
        transaction.finish(
          transaction.unclaimEvents(waiting),
          transaction.addPageViews(rows.filter((_, index) => fresh.has(keptViews[index] as PageViewed))),
          transaction.addNotifications(mail.added),
          transaction.saveNotifications(mail.changed),
          transaction.addChanges(mail.changes),
          transaction.saveInboxes(mail.inboxes.filter((inbox) => !untouched.has(inbox))),
        );
        const recipients = new Set(notifications.map(userKeyOf));
        const isRecipient = (inbox: Inbox) => recipients.has(userKeyOf(inbox));
        return {
          arrived: mail.inboxes.filter(isRecipient),
          visited: mail.inboxes.filter((inbox) => !isRecipient(inbox)),
          waiting: new Set<Event>(waiting),
          timed: [...mail.added, ...mail.changed],
        };
      });

      passedOver += counts.passedOver;
      if (deadLetters.length > 0) {
        const places = deadLetters.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`);
        logger.error({ places: places.slice(0, 10), count: places.length }, 'records became dead letters');
      }
      if (arrived.length > 0) await publishBadges({ pubSub, cache, logger }, arrived.map(badgeOf), 'ARRIVED');
      if (visited.length > 0) await publishBadges({ pubSub, cache, logger }, visited.map(badgeOf), 'VIEWED');
      await announceDue(pubSub, timed);
      return events.flatMap(({ event, record }) => (waiting.has(event) ? [record] : []));
    },

    async bury(record, why) {
      const decoded = decode(record);
      const tenantId = decoded.kind === 'event' ? decoded.event.tenantId : undefined;
      const deadLetter = deadLetterOf(record, why, clock.now(), tenantId);
      await store.projection((transaction) => transaction.addDeadLetters([deadLetter]));
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
  let passedOver = 0;
  for (const record of records) {
    const decoded = decode(record);
    switch (decoded.kind) {
      case 'event':
        if (isFarAhead(decoded.event, now))
          deadLetters.push(deadLetterOf(record, farAhead, now, decoded.event.tenantId));
        else if (decoded.event.type === 'activityRecorded') passedOver += 1;
        else events.push({ record, event: decoded.event });
        break;
      case 'empty':
      case 'ignored':
        passedOver += 1;
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
  return { events, deadLetters, passedOver };
}

function deadLetterOf(record: LogRecord, why: Failure, failedAt: Date, tenantId = ''): DeadLetter {
  const { topic, partition, offset, key, headers, value } = record;
  return {
    tenantId,
    topic,
    partition,
    offset,
    key,
    headers,
    payload: value ?? new Uint8Array(),
    errorCode: why.code,
    errorMessage: why.reason,
    attempts: why.attempts,
    failedAt,
  };
}

const groupOf = ({ tenantId, userId, data: { groupKey } }: NotificationSent) =>
  groupKey === undefined ? undefined : { tenantId, userId, groupKey };

const visitOf = ({ tenantId, userId, data: { subjectId } }: PageViewed) =>
  subjectId === undefined ? undefined : { tenantId, userId, subjectId };

/** The notification an event is about, not delivered yet. */
function draftOf(event: NotificationSent): Notification {
  const { tenantId, userId, occurredAt, data } = event;
  return {
    tenantId,
    userId,
    id: rowIdOf(event),
    ...contentOf(event),
    seq: null,
    status: 'SCHEDULED',
    createdAt: occurredAt,
    scheduledFor: data.scheduledFor ?? null,
    deliveredAt: null,
    seenAt: null,
    readAt: null,
    archivedAt: null,
    snoozedUntil: null,
    groupCount: 1,
    suppressedReason: null,
  };
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
