import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { isRetriable } from '../../domain/error.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Event } from '../../events/event.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import {
  createTestClock,
  itemViewed,
  notificationSent,
  pageViewed,
  recordsOf,
  testNow,
} from '../../testing/event.ts';
import { awayFor } from '../../testing/faults.ts';
import { createInboxModel, type Happening, happenings } from '../../testing/inbox-model.ts';
import { startTestKafka, type TestKafka } from '../../testing/kafka.ts';
import { openKafkaLog } from '../../testing/kafka-log.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createConsume } from '../apply/consume.ts';
import { createProject, type Project } from '../apply/project.ts';
import { createSchedule } from '../background/schedule.ts';
import { createAct } from './act.ts';

let storage: TestStorage;
let kafka: TestKafka | undefined;
let users = 0;
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  storage = await openTestStorage();
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
afterAll(async () => {
  await kafka?.stop();
  await storage.close();
});

const clock = createTestClock();
const pubSub = createLocalPubSub();

/** Applies events to the store. The store fails `failures` times. Resolves when the events are applied. */
type Feed = (events: readonly Event[], failures: number) => Promise<void>;

const projectOn = (store: Store) =>
  createProject({ store, pubSub, clock, logger: silent }, { retentionDays: 183 });

/** Applies events directly, and repeats failed attempts like a consuming worker. */
function directly(): Feed {
  let offset = 0;
  return async (events, failures) => {
    const project = projectOn(awayFor(storage.store, failures));
    offset += events.length;
    for (let isDone = false; !isDone; ) {
      isDone = await project.apply(recordsOf(events, offset)).then(
        () => true,
        (error) => {
          if (!isRetriable(error)) throw error;
          return false;
        },
      );
    }
  };
}

/** Appends events to a log that a worker consumes. */
async function by(log: EventLog): Promise<Feed> {
  let project: Project = projectOn(storage.store);
  let appended = 0;
  let applied = 0;
  const counted: Project = {
    ...project,
    async apply(records) {
      const waiting = await project.apply(records);
      applied += records.length;
      return waiting;
    },
  };
  const consumption = await createConsume(
    { log, project: counted, logger: silent },
    { maxBackoffMs: 10 },
  ).start();
  ends.push(async () => {
    await consumption.stop();
    await log.close();
  });
  return async (events, failures) => {
    project = projectOn(awayFor(storage.store, failures));
    appended += events.length;
    await log.append(events);
    await vi.waitFor(() => expect(applied).toBe(appended), { timeout: 20_000, interval: 1 });
  };
}

/** Runs steps for a new user and compares the user with the model after each step. */
async function play(feed: Feed, steps: readonly Happening[]): Promise<void> {
  const { store } = storage;
  const deps = { store, pubSub, clock, logger: silent };
  const act = createAct(deps);
  const schedule = createSchedule(deps);
  const user: UserKey = { tenantId: 'default', userId: `user-${++users}` };
  const now = () => clock.now().getTime();
  const model = createInboxModel(now);
  const sent: Event[] = [];
  await store.transaction((transaction) => transaction.ensureUsers([user], testNow));

  async function happen(step: Happening): Promise<void> {
    const after = (ms: number | undefined) => (ms === undefined ? undefined : new Date(now() + ms));
    switch (step.what) {
      case 'send': {
        const { group: groupKey, subject: subjectId } = step;
        const timing = { scheduledFor: after(step.comesInMs), expiresAt: after(step.expiresInMs) };
        const data = {
          category: 'general',
          severity: 'NORMAL',
          title: 'Hello',
          groupKey,
          subjectId,
          ...timing,
        } as const;
        const event = notificationSent({ ...user, occurredAt: clock.now(), data });
        sent.push(event);
        await feed(
          Array.from({ length: step.times }, () => event),
          step.failures,
        );
        return model.send(event.id, step);
      }
      case 'mark': {
        const id = step.which === undefined ? undefined : model.idAt(step.which);
        const which = step.which === undefined ? { filter: {} } : { ids: id === undefined ? [] : [id] };
        const upToSeq = step.upTo === undefined ? undefined : BigInt(step.upTo);
        await act.markNotifications(user, { action: step.action, which, upToSeq });
        return model.mark(step.action, step.which, step.upTo);
      }
      case 'snooze': {
        const id = model.idAt(step.which);
        if (id) await act.snooze({ tenantId: user.tenantId, id }, new Date(now() + step.forMs), () => true);
        return model.snooze(step.which, step.forMs);
      }
      case 'open':
        await act.openInbox(user, step.upTo === undefined ? undefined : BigInt(step.upTo));
        return model.open(step.upTo);
      case 'visit': {
        const about = { ...user, occurredAt: clock.now() };
        const event =
          step.kind === 'page'
            ? pageViewed({ ...about, data: { name: 'Page', subjectId: step.subject } })
            : itemViewed({ ...about, data: { collection: 'news', itemIds: ['other', step.subject] } });
        sent.push(event);
        await feed([event], step.failures);
        return model.visit(step.subject);
      }
      case 'prefer':
        await act.updatePreferences(user, { patch: { canReceiveNotifications: step.isOn }, categories: [] });
        return model.prefer(step.isOn);
      case 'pass': {
        const until = now() + step.ms;
        const moments = function* () {
          for (
            let due = model.nextDue();
            !step.inOneGo && due !== undefined && due < until;
            due = model.nextDue()
          ) {
            yield due;
          }
          yield until;
        };
        for (const moment of moments()) {
          clock.set(new Date(moment));
          while ((await schedule.deliverDue()) > 0);
          model.applyDue();
        }
        return;
      }
      case 'replay':
        return sent.length === 0 ? undefined : feed(sent, 0);
      default:
        step satisfies never;
    }
  }

  let [before] = await store.inboxes([user]);
  for (const step of steps) {
    // Each step happens at a different time.
    clock.set(new Date(now() + 1));
    await happen(step);
    const [inbox] = await store.inboxes([user]);
    if (!inbox || !before) throw new Error('every user has an inbox');
    const members = model.unseen();
    expect({ unseen: inbox.unseen, unread: inbox.unread }).toEqual({
      unseen: members.length,
      unread: model.unread(),
    });
    const explained = await store.notifications(user, {
      seen: false,
      archived: false,
      snoozed: false,
      first: 100,
    });
    expect(explained.map(({ id }) => id)).toEqual(members);
    expect(inbox.version).toBeGreaterThanOrEqual(before.version);
    if (inbox.unseen !== before.unseen || inbox.unread !== before.unread) {
      expect(inbox.version).toBeGreaterThan(before.version);
    }
    before = inbox;
  }
}

async function holds(feed: Feed, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(happenings, (steps) => play(feed, steps)),
    { numRuns, interruptAfterTimeLimit: 90_000, markInterruptAsFailure: false },
  );
  expect(await drift(storage.query)).toEqual([]);
}

/** The state of a user, without the fields that differ between users. */
async function stateOf(user: UserKey) {
  const [inbox] = await storage.store.inboxes([user]);
  const list = await storage.store.notifications(user, { first: 100 });
  return {
    counts: [inbox?.unseen, inbox?.unread, inbox?.lastSeq],
    list: list.map(({ title, subjectId, seq, readAt, groupCount }) => [
      title,
      subjectId,
      seq,
      readAt,
      groupCount,
    ]),
  };
}

describe('an inbox', () => {
  it('has the same state if its events are applied one by one and if they are applied in batches', {
    timeout: 60_000,
  }, async () => {
    const event = fc.record({
      visits: fc.boolean(),
      group: fc.option(fc.constantFrom('g', 'h'), { nil: undefined }),
      subject: fc.constantFrom('s', 't'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (parts) => {
        const [single, batch] = [1, 2].map(() => ({ tenantId: 'default', userId: `user-${++users}` }));
        if (!single || !batch) throw new Error('two users');
        await storage.store.transaction((transaction) => transaction.ensureUsers([single, batch], testNow));
        const eventsOf = (user: UserKey): readonly Event[] =>
          parts.map(({ visits, group: groupKey, subject: subjectId }, n) => {
            const about = { ...user, occurredAt: clock.now() };
            if (visits)
              return itemViewed({ ...about, data: { collection: 'news', itemIds: [subjectId, subjectId] } });
            const data = {
              category: 'general',
              severity: 'NORMAL',
              title: String(n),
              groupKey,
              subjectId,
            } as const;
            return notificationSent({ ...about, data });
          });
        const feed = directly();
        for (const one of eventsOf(single)) await feed([one], 0);
        await feed(eventsOf(batch), 0);
        expect(await stateOf(batch)).toEqual(await stateOf(single));
      }),
      { numRuns: 60 },
    );
  });
});

describe('the badge and the list of notifications match the model after every step', () => {
  it('for any sequence of actions, with database outages in between', { timeout: 120_000 }, () =>
    holds(directly(), 100),
  );

  it('with a table as the log', { timeout: 120_000 }, async () => {
    const { connection } = storage;
    const database = storage.connectAgain();
    await holds(
      await by(createPostgresEventLog({ database, connection, logger: silent }, { retryMs: 20 })),
      10,
    );
  });

  it('with Kafka as the log', { timeout: 300_000, tags: ['kafka'] }, async () => {
    kafka = await startTestKafka();
    await holds(await by(openKafkaLog(kafka.url)), 10);
  });
});
