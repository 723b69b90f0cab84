import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import type { UserKey } from '../../domain/user.ts';
import { maxWaitingOfTenant } from '../../domain/waiting.ts';
import type { Event } from '../../events/event.ts';
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
import { observed, withTransactions } from '../../testing/faults.ts';
import { limitRecord, wireLimitEvent } from '../../testing/limit.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createSchedule } from '../background/schedule.ts';
import { createRead } from '../read/read.ts';
import { createProject } from './project.ts';

const waitMs = 30_000;
const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((userId) => ({ tenantId: 'default', userId })) as [
  UserKey,
  UserKey,
  UserKey,
];

let storage: TestStorage;
beforeEach(async () => {
  storage = await openTestStorage();
  await storage.store.transaction((transaction) => transaction.ensureUsers([alice], testNow));
});
afterEach(() => storage.close());

/** A worker with a clock that the test sets. */
function work(store: Store = storage.store) {
  const clock = createTestClock();
  const pubSub = observed(createLocalPubSub());
  const shared = { store, pubSub, clock, logger: silent };
  const project = createProject(shared, { retentionDays: 183, unknownUserWaitMs: waitMs });
  const schedule = createSchedule(shared);
  let offset = 0;
  return {
    ...shared,
    project,
    act: createAct(shared),
    read: createRead(shared),
    apply(events: readonly Event[]) {
      offset += events.length;
      return project.apply(recordsOf(events, offset - events.length + 1));
    },
    /** Advances the clock and handles the records that are due then. */
    async pass(ms = 0): Promise<void> {
      clock.set(new Date(clock.now().getTime() + ms));
      while ((await schedule.settleWaiting()) > 0);
    },
    settle: schedule.settleWaiting,
    /** Whether due records were announced since the last call. */
    wasAnnounced: () =>
      pubSub.published
        .splice(0)
        .some(({ topic, value }) => topic === 'due' && Number(value) <= clock.now().getTime()),
  };
}

const sentTo = (user: UserKey, title: string, more: object = {}) =>
  notificationSent({ ...user, data: { category: 'general', severity: 'NORMAL', title, ...more } });
const titles = async (user: UserKey) =>
  (await storage.store.notifications(user, { first: 100 })).map(({ title }) => title).reverse();
const deadLetters = () => storage.store.deadLetters({ first: 100 });
const waiting = () => storage.store.countWaiting();

describe('a notification for a user who does not exist', () => {
  it('waits in a table, and the later records are applied', async () => {
    const one = work();
    await one.apply([sentTo(bob, 'waits'), sentTo(alice, 'behind it'), pageViewed()]);
    expect(await titles(alice)).toEqual(['behind it']);
    expect(await waiting()).toBe(1);
    expect(await deadLetters()).toEqual([]);
  });

  it.each<[string, (one: ReturnType<typeof work>) => Promise<unknown>]>([
    ['a page view', (one) => one.apply([pageViewed(bob)])],
    ['a view of an item', (one) => one.apply([itemViewed(bob)])],
    [
      'an event of a limit',
      (one) =>
        one.project.apply([limitRecord(wireLimitEvent('USER_LIMIT_CREATED', 1, { userId: 'bob' }), 100)]),
    ],
    ['an upsert', (one) => one.act.upsertUsers([{ ...bob, patch: {} }])],
    ['a token of their own', (one) => one.read.self(bob)],
  ])('is applied at once, in the order of the log, when %s creates the user', async (_, create) => {
    const one = work();
    await one.apply([sentTo(bob, 'first')]);
    await one.apply([sentTo(bob, 'second'), sentTo(bob, 'third')]);
    one.wasAnnounced();
    await create(one);
    expect(one.wasAnnounced()).toBe(true);
    await one.pass();
    expect(await titles(bob)).toEqual(['first', 'second', 'third']);
    expect(await storage.store.inboxes([bob])).toMatchObject([{ unseen: 3, lastSeq: 3n }]);
    expect(await waiting()).toBe(0);
    expect(await drift(storage.query)).toEqual([]);
  });

  it('is applied soon if the creation of the user is not announced', async () => {
    const one = work();
    await one.apply([sentTo(bob, 'waits')]);
    await storage.query(
      `INSERT INTO app_user (tenant_id, user_id, created_at) VALUES ('default', 'bob', now())`,
    );
    await one.pass(1_000);
    expect(await titles(bob)).toEqual(['waits']);
  });

  it('makes later notifications for the user wait too, even if the user now exists', async () => {
    const one = work();
    await one.apply([sentTo(bob, 'first')]);
    await one.apply([pageViewed(bob)]);
    await one.apply([sentTo(bob, 'second'), sentTo(alice, 'of another')]);
    expect(await titles(bob)).toEqual([]);
    expect(await titles(alice)).toEqual(['of another']);
    await one.pass();
    expect(await titles(bob)).toEqual(['first', 'second']);
    await one.apply([sentTo(bob, 'third')]);
    expect(await titles(bob)).toEqual(['first', 'second', 'third']);
  });

  it('becomes a dead letter with its bytes and place if the user is not created in time', async () => {
    const one = work();
    const event = sentTo(bob, 'in vain');
    await one.apply([pageViewed(), event]);
    const [record] = recordsOf([event], 2);
    for (let passed = 0; passed < waitMs - 1_000; passed += 1_000) await one.pass(1_000);
    expect(await deadLetters()).toEqual([]);
    await one.pass(1_000);
    const [letter, ...others] = await deadLetters();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({
      tenantId: 'default',
      topic: record?.topic,
      partition: 0,
      offset: 2n,
      key: 'default/bob',
      headers: {},
      errorCode: 'USER_NOT_FOUND',
      errorMessage: 'userId: no such user',
    });
    expect(Buffer.from(letter?.payload ?? [])).toEqual(record?.value);
    expect(await waiting()).toBe(0);
    // Nothing is due later.
    expect(await storage.store.nextDue()).toBeUndefined();
  });

  it('becomes a dead letter at its deadline even if the query for new users fails', async () => {
    const one = work({ ...storage.store, usersAppeared: () => Promise.reject(new Error('It is away.')) });
    await one.apply([sentTo(bob, 'in vain')]);
    await expect(one.pass(waitMs)).rejects.toThrow('It is away.');
    expect(await deadLetters()).toMatchObject([{ errorCode: 'USER_NOT_FOUND' }]);
    expect(await waiting()).toBe(0);
  });

  it('joins a group and is suppressed by preferences like any other notification', async () => {
    const one = work();
    await one.apply([sentTo(bob, 'one', { groupKey: 'likes' }), sentTo(bob, 'two', { groupKey: 'likes' })]);
    await one.act.upsertUsers([{ ...bob, patch: {} }]);
    await one.pass();
    expect(await storage.store.notifications(bob, { first: 10 })).toMatchObject([
      { title: 'two', groupCount: 2 },
    ]);
    await one.apply([sentTo(carol, 'unwanted')]);
    await one.act.upsertUsers([{ ...carol, patch: { canReceiveNotifications: false } }]);
    await one.pass();
    expect(await titles(carol)).toEqual([]);
    expect(await storage.store.inboxes([carol])).toMatchObject([{ unseen: 0 }]);
  });

  it('is removed when the user is erased, even if the user never existed', async () => {
    const one = work();
    await one.apply([sentTo(bob, 'erased'), sentTo(carol, 'stays')]);
    expect(await one.act.eraseUser(bob)).toBeUndefined();
    expect(await waiting()).toBe(1);
    await one.act.upsertUsers([{ ...bob, patch: {} }]);
    await one.pass();
    expect(await titles(bob)).toEqual([]);
  });

  it('becomes a dead letter at once if too many records of its tenant already wait', async () => {
    await storage.query(
      `INSERT INTO waiting_record SELECT 'default', 'wrong-' || n, 't', 0, n, NULL, '{}', '', now(), now(), 'infinity', 'infinity'
       FROM generate_series(1, $1::int) AS n`,
      [maxWaitingOfTenant - 1],
    );
    const one = work();
    const other = { ...bob, tenantId: 'other' };
    await one.apply([
      sentTo(bob, 'the last'),
      sentTo(carol, 'too many'),
      sentTo(other, 'waits'),
      sentTo(alice, 'here'),
    ]);
    expect(await waiting()).toBe(maxWaitingOfTenant + 1);
    expect(await deadLetters()).toMatchObject([
      { errorCode: 'USER_NOT_FOUND', key: 'default/carol', attempts: 1 },
    ]);
    expect(await titles(alice)).toEqual(['here']);
  });
});

describe('a waiting record', () => {
  it('is applied exactly once if it is delivered again before and after its user exists', async () => {
    const one = work();
    const records = recordsOf([sentTo(bob, 'first'), sentTo(bob, 'second')]);
    for (let n = 0; n < 3; n += 1) await one.project.apply(records);
    expect(await waiting()).toBe(2);
    await one.act.upsertUsers([{ ...bob, patch: {} }]);
    await one.project.apply(records);
    await one.pass();
    await one.project.apply(records);
    await one.pass(waitMs);
    expect(await titles(bob)).toEqual(['first', 'second']);
    expect(await deadLetters()).toEqual([]);
  });

  it('is applied exactly once by several workers', async () => {
    const workers = Array.from({ length: 4 }, () => work());
    const users = Array.from({ length: 20 }, (_, n) => ({ ...bob, userId: `late-${n}` }));
    const [one] = workers;
    for (let n = 0; n < 10; n += 1) await one?.apply(users.map((user) => sentTo(user, String(n))));
    await one?.act.upsertUsers(users.map((user) => ({ ...user, patch: {} })));
    await Promise.all(workers.map((worker) => worker.pass()));
    for (const user of users)
      expect(await titles(user)).toEqual(Array.from({ length: 10 }, (_, n) => String(n)));
    expect(await waiting()).toBe(0);
    expect(await drift(storage.query)).toEqual([]);
  });

  it('is applied by another worker if a worker dies before its commit', async () => {
    const healthy = work();
    await healthy.apply([sentTo(bob, 'waits')]);
    await healthy.act.upsertUsers([{ ...bob, patch: {} }]);
    const dying = work(
      withTransactions(storage.store, ({ takeWaiting }) => ({
        async takeWaiting(rows) {
          await takeWaiting(rows);
          throw new Error('It died, says the test.');
        },
        addDeadLetters: () => Promise.reject(new Error('It is dead, says the test.')),
      })),
    );
    await expect(dying.settle()).rejects.toThrow('It is dead');
    expect(await titles(bob)).toEqual([]);
    await healthy.pass();
    expect(await titles(bob)).toEqual(['waits']);
    expect(await waiting()).toBe(0);
  });

  it('becomes a dead letter if the database refuses it, and the other waiting records are applied', async () => {
    const one = work();
    const poison = notificationSent({ ...bob, occurredAt: new Date('0000-01-01T00:00:00Z') });
    await one.apply([sentTo(bob, 'before'), poison, sentTo(bob, 'after')]);
    await one.act.upsertUsers([{ ...bob, patch: {} }]);
    await one.pass();
    expect(await titles(bob)).toEqual(['before', 'after']);
    expect(await deadLetters()).toMatchObject([{ errorCode: 'REJECTED_EVENT', offset: 2n }]);
    expect(await waiting()).toBe(0);
  });
});
