import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresStore } from '../../adapters/postgres/store.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import type { Event } from '../../events/event.ts';
import type { NotificationSent } from '../../events/notification.ts';
import { notificationCreatedTopic } from '../../events/topic.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { withTransactions } from '../../testing/faults.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createProject } from '../apply/project.ts';
import { createSchedule } from '../background/schedule.ts';

const alice = { tenantId: 'acme', userId: 'alice' };
const bob = { ...alice, userId: 'bob' };
const hourMs = 3_600_000;
const inHours = (hours: number) => new Date(testNow.getTime() + hours * hourMs);

let storage: TestStorage;
let clock: ReturnType<typeof createTestClock>;
beforeEach(async () => {
  storage = await openTestStorage();
  clock = createTestClock();
  const patches = [
    { ...alice, patch: { timeZone: 'Europe/Berlin' } },
    { ...bob, patch: { canReceiveNotifications: false } },
  ];
  await storage.store.transaction((transaction) => transaction.patchUsers(patches, testNow));
});
afterEach(() => storage.close());

const deps = (store: Store) => ({ store, pubSub: createLocalPubSub(), clock, logger: silent });
const on = { announcesDeliveries: true };
const project = (store = storage.store, options = on) =>
  createProject(deps(store), { retentionDays: 183, ...options });

let offset = 0;
function apply(events: readonly Event[], to = project()) {
  offset += events.length;
  return to.apply(recordsOf(events, offset));
}

const sent = (data: Partial<NotificationSent['data']> = {}, user = alice) =>
  notificationSent({
    ...user,
    occurredAt: clock.now(),
    data: { category: 'general', severity: 'NORMAL', title: 'Hello', ...data },
  });

async function deliverDue(store = storage.store, options = on): Promise<void> {
  while ((await createSchedule(deps(store), options).deliverDue()) > 0);
}

/** Returns the records in the outbox, in order. */
async function announced() {
  const rows = await storage.query<{ topic: string; key: string; value: Buffer }>(
    'SELECT topic, key, value FROM outbox ORDER BY id',
  );
  return rows.map(({ topic, key, value }) => ({ topic, key, event: JSON.parse(value.toString()) }));
}
const announcedIds = async () => (await announced()).map(({ event }) => event.id);

describe('the announcement of a delivered notification', () => {
  it('is sent when a limit reaches a threshold, whether an event or the API changed the limit', async () => {
    const limitThresholds = { '*': [80], DEPOSIT: [80] } as unknown as LimitThresholds;
    const caller = { tenantId: 'acme', subject: 'shop', role: 'service', expiresAt: testNow } as const;
    const act = createAct(deps(storage.store), { ...on, limitThresholds });
    const limit = {
      userId: 'alice',
      brandId: 'b',
      type: 'DEPOSIT',
      period: 'CALENDAR_DAY',
      value: '100',
    } as const;
    await act.createUserLimit(caller, { ...limit, userLimitId: 'by-hand' });
    await act.updateUserLimitProgress(caller, { userLimitId: 'by-hand', amount: '85' });
    const titles = async () =>
      (await announced()).flatMap(({ topic, event }) =>
        topic === notificationCreatedTopic ? [event.data.notification.title] : [],
      );
    expect(await titles()).toEqual(['80 % of your deposit limit is used']);
  });

  it('contains the fields that an e-mail, a text message or a push message needs', async () => {
    const content = {
      category: 'billing',
      severity: 'HIGH',
      title: 'Your card expires',
      body: 'Renew it.',
      data: { card: '4242' },
      actionUrl: '/billing',
      subjectId: 'card-1',
      expiresAt: inHours(5),
    } as const;
    await storage.store.transaction((transaction) =>
      transaction.saveCategoryChoices(alice, [{ category: 'news', enabled: false }], testNow),
    );
    await apply([sent()]);
    const event = sent(content);
    await apply([event]);
    expect((await announced())[1]).toEqual({
      topic: 'user-notification-created',
      key: 'acme/alice',
      event: {
        id: event.id,
        source: 'unseen',
        type: 'notificationCreated',
        tenantId: 'acme',
        userId: 'alice',
        occurredAt: testNow.toISOString(),
        data: {
          notification: {
            ...content,
            id: event.id,
            groupKey: null,
            groupCount: 1,
            createdAt: testNow.toISOString(),
            deliveredAt: testNow.toISOString(),
            expiresAt: inHours(5).toISOString(),
          },
          user: {
            id: 'alice',
            timeZone: 'Europe/Berlin',
            preferences: { enabled: true, disabledCategories: ['news'] },
          },
          badge: { unseen: 2, unread: 2, version: 2 },
        },
        schemaVersion: 1,
      },
    });
  });

  it('is sent once, even if the log delivers the event repeatedly or to several workers', async () => {
    const events = Array.from({ length: 20 }, () => sent());
    const workers = [storage.store, createPostgresStore(storage.connectAgain())].map((store) =>
      project(store),
    );
    await Promise.all(workers.map((worker) => apply([...events, ...events], worker)));
    await apply(events);
    expect((await announcedIds()).toSorted()).toEqual(events.map(({ id }) => id).toSorted());
  });

  it('is written in the order of arrival, with one statement for any number of announcements', async () => {
    const addOutgoing = vi.fn();
    const store = withTransactions(storage.store, (transaction) => ({
      addOutgoing: (records, now) => {
        addOutgoing(records.length);
        return transaction.addOutgoing(records, now);
      },
    }));
    const events = Array.from({ length: 300 }, () => sent());
    await apply(events, project(store));
    expect(addOutgoing.mock.calls).toEqual([[300]]);
    expect(await announcedIds()).toEqual(events.map(({ id }) => id));
  });

  it('is written in the transaction of the delivery, and not if the transaction fails', async () => {
    const failing = withTransactions(storage.store, () => ({
      saveInboxes: () => Promise.reject(new Error('a bug, says the test')),
    }));
    await expect(apply([sent()], project(failing))).rejects.toThrow('a bug');
    expect(await announced()).toEqual([]);
  });

  it('is sent when a scheduled notification arrives, in whichever worker', async () => {
    const events = Array.from({ length: 20 }, () => sent({ scheduledFor: inHours(1) }));
    await apply(events);
    expect(await announced()).toEqual([]);
    clock.set(inHours(1));
    await Promise.all([deliverDue(), deliverDue(createPostgresStore(storage.connectAgain()))]);
    // Delivers the rows that were locked by the other worker.
    await deliverDue();
    expect((await announcedIds()).toSorted()).toEqual(events.map(({ id }) => id).toSorted());
  });

  it('has its own event id if the notification joins a group, and contains the id of the notification in the inbox', async () => {
    const first = sent({ groupKey: 'thread', title: 'One' });
    const second = sent({ groupKey: 'thread', title: 'Two' });
    const later = sent({ groupKey: 'thread', title: 'Three', scheduledFor: inHours(1) });
    await apply([first, second, later]);
    clock.set(inHours(1));
    await deliverDue();
    const announcements = (await announced()).map(({ event }) => {
      const { id, title, groupCount } = event.data.notification;
      return [event.id, id, title, groupCount, event.data.badge.unseen];
    });
    expect(announcements).toEqual([
      [first.id, first.id, 'One', 1, 1],
      [second.id, first.id, 'Two', 2, 1],
      [later.id, first.id, 'Three', 3, 1],
    ]);
  });
});

describe('Unseen sends no announcement', () => {
  it('for a notification that is suppressed, expired or canceled, or whose user does not exist', async () => {
    const ended = sent({ expiresAt: inHours(-1) });
    const never = sent({ scheduledFor: inHours(1) });
    const overslept = sent({ scheduledFor: inHours(1), expiresAt: inHours(2) });
    const optedOut = sent({ scheduledFor: inHours(1) });
    await apply([sent({}, bob), ended, never, sent({}, { ...alice, userId: 'nobody' })]);
    await createAct(deps(storage.store)).cancel({ tenantId: 'acme', id: never.id });
    await apply([overslept]);
    clock.set(inHours(3));
    await deliverDue();
    clock.set(testNow);
    await apply([optedOut]);
    const patches = [{ ...alice, patch: { canReceiveNotifications: false } }];
    await storage.store.transaction((transaction) => transaction.patchUsers(patches, testNow));
    clock.set(inHours(3));
    await deliverDue();
    expect(await announced()).toEqual([]);
  });

  it('for a notification that arrives again after a snooze, or that expires', async () => {
    const event = sent({ expiresAt: inHours(3) });
    await apply([event]);
    const act = createAct(deps(storage.store));
    await act.snooze({ tenantId: 'acme', id: event.id }, inHours(1), () => true);
    for (const hours of [1, 3]) {
      clock.set(inHours(hours));
      await deliverDue();
    }
    expect(await announcedIds()).toEqual([event.id]);
  });

  it('if announcements are off', async () => {
    const off = { announcesDeliveries: false };
    await apply([sent(), sent({ scheduledFor: inHours(1) })], project(storage.store, off));
    clock.set(inHours(1));
    await deliverDue(storage.store, off);
    expect((await storage.store.inboxes([alice]))[0]?.unseen).toBe(2);
    expect(await announced()).toEqual([]);
  });
});
