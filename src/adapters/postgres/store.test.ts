import fc from 'fast-check';
import { v7 as uuidV7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deliver, emptyInbox, type Inbox, type UserInbox } from '../../domain/inbox.ts';
import type { Notification } from '../../domain/notification.ts';
import type { PageView } from '../../domain/page-view.ts';
import { distinctUsers, type UserKey, userDefaults } from '../../domain/user.ts';
import type { DeadLetter } from '../../ports/store/dead-letters.ts';
import type { EventIdentity } from '../../ports/store/events.ts';
import type { Store, StoreTransaction } from '../../ports/store/store.ts';
import { testNow as now } from '../../testing/event.ts';
import { openLine } from '../../testing/line.ts';
import { draft } from '../../testing/notification.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { connect } from './connection.ts';
import { createPostgresStore } from './store.ts';

let storage: TestStorage;
let store: Store;
beforeAll(async () => {
  storage = await openTestStorage();
  ({ store } = storage);
  await store.preparePageViews([now]);
});
afterAll(() => storage.close());

let users = 0;
/** Returns a user key that no other test uses. */
const anyone = (): UserKey => ({ tenantId: 'default', userId: `user-${++users}` });

/** Creates a user that no other test uses. */
async function someone(): Promise<UserKey> {
  const key = anyone();
  await store.transaction((transaction) => transaction.ensureUsers([key], now));
  return key;
}

const minutes = (count: number) => new Date(now.getTime() + count * 60_000);

const view = (key: UserKey, fields: Partial<PageView> = {}): PageView => ({
  ...key,
  id: uuidV7(),
  name: 'Pricing',
  path: null,
  subjectId: null,
  occurredAt: now,
  receivedAt: now,
  ...fields,
});

const addViews = (views: readonly PageView[]) =>
  store.transaction((transaction) => transaction.addPageViews(views));

/** Delivers `count` notifications like a worker. */
async function deliverTo(key: UserKey, count: number, fields: Partial<Notification> = {}): Promise<Inbox> {
  return store.transaction(async (transaction) => {
    await transaction.ensureUsers([key], now);
    const [locked] = (await transaction.lockInboxes([key], now)) as [UserInbox];
    const { user } = locked;
    let { inbox } = locked;
    const notifications: Notification[] = [];
    for (let n = 0; n < count; n += 1) {
      const delivered = deliver(inbox, user, draft(key, { createdAt: now, ...fields }), now, []);
      inbox = delivered.inbox;
      notifications.push(delivered.notification);
    }
    await transaction.addNotifications(notifications);
    await transaction.saveInboxes([inbox]);
    return inbox;
  });
}

function defer() {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe('a transaction', () => {
  it('stores all of its writes, or none if the work rejects', async () => {
    const key = anyone();
    const work = (fails: boolean) =>
      store.transaction(async (transaction) => {
        await transaction.ensureUsers([key], now);
        await transaction.addPageViews([view(key)]);
        if (fails) throw new Error('changed my mind');
        return 'done';
      });
    await expect(work(true)).rejects.toThrow('changed my mind');
    expect(await store.users([key])).toEqual([]);
    expect(await store.countPageViews(key, {})).toBe(0);
    expect(await work(false)).toBe('done');
    expect(await store.users([key])).toHaveLength(1);
    expect(await store.countPageViews(key, {})).toBe(1);
  });

  it('rejects and stores nothing if a statement failed but the work resolved', async () => {
    const key = anyone();
    const twice = view(key);
    const work = store.transaction(async (transaction) => {
      await transaction.ensureUsers([key], now);
      await transaction.addPageViews([twice, twice]).catch(() => {});
    });
    await expect(work).rejects.toThrow();
    expect(await store.users([key])).toEqual([]);
  });

  it('stores nothing if one of its last writes fails, either in the database or before it is sent', async () => {
    const key = anyone();
    const twice = view(key);
    const finishing = (...last: ((transaction: StoreTransaction) => Promise<void>)[]) =>
      store.transaction(async (transaction) => {
        await transaction.ensureUsers([key], now);
        transaction.finish(...last.map((write) => write(transaction)));
      });
    const write = (transaction: StoreTransaction) => transaction.addPageViews([view(key)]);
    const refused = (transaction: StoreTransaction) => transaction.addPageViews([twice, twice]);
    await expect(finishing(write, refused, write)).rejects.toThrow(/duplicate/);
    await expect(finishing(write, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await store.users([key])).toEqual([]);
    await finishing(write, write);
    expect(await store.countPageViews(key, {})).toBe(2);
  });

  it('rejects with UNAVAILABLE if a lock is not granted in time, and its connection can be used again', async () => {
    const key = await someone();
    const held = defer();
    const locked = defer();
    const holder = store.transaction(async (transaction) => {
      await transaction.lockInboxes([key], now);
      locked.resolve();
      await held.promise;
    });
    await locked.promise;
    const other = store.transaction((transaction) => transaction.lockInboxes([key], now));
    await expect(other).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    held.resolve();
    await holder;
    await store.transaction((transaction) => transaction.lockInboxes([key], now));
  });

  it('rejects with UNAVAILABLE if its connection is cut, and the next transaction works', async () => {
    const key = anyone();
    const cut = store.transaction(async (transaction) => {
      await transaction.ensureUsers([key], now);
      await storage.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`,
      );
      return transaction.users([key]);
    });
    await expect(cut).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await store.users([key])).toEqual([]);
  });
});

describe('an unreachable database', () => {
  /** Returns one call for every function of the store. */
  const calls = (to: Store, key: UserKey): readonly (() => Promise<unknown>)[] => [
    () => to.users([key]),
    () => to.inboxes([key]),
    () => to.notifications(key, { first: 1 }),
    () => to.countNotifications(key, {}),
    () => to.countByCategory(key),
    () => to.usersWithUnreadAbout([{ ...key, subjectId: 's' }]),
    () => to.notification(key.tenantId, uuidV7()),
    () => to.pageViews(key, { first: 1 }),
    () => to.countPageViews(key, {}),
    () => to.pageView(key, { occurredAt: now, id: uuidV7() }),
    () =>
      to.stats(key, { start: now, end: now, timeZone: 'UTC', days: [{ date: '2026-11-20', start: now }] }),
    () => to.bindKeys([{ tenantId: 'default', caller: 'c', mutation: 'm', key: uuidV7(), digest: 'd' }], now),
    () => to.boundDigest({ tenantId: 'default', caller: 'c', mutation: 'm', key: 'k' }),
    () => to.ping(),
    () =>
      to.transaction((transaction) =>
        transaction.claimEvents([{ tenantId: 'default', source: 's', id: uuidV7() }], now),
      ),
    () => to.transaction((transaction) => transaction.lockInboxes([key], now)),
  ];

  it('makes every function of the store reject with UNAVAILABLE and no other error, for every kind of failure', async () => {
    const line = await openLine(storage.connection.connectionString);
    const database = connect({ connectionString: line.connectionString }, { maxConnections: 20 });
    const behind = createPostgresStore(database);
    const key = anyone();
    try {
      for (const state of ['up', 'answerless', 'up'] as const) {
        line.set(state);
        for (let round = 0; round < 6; round += 1) {
          const settled = Promise.allSettled(calls(behind, key).map((call) => call()));
          await storage.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'unseen'`,
          );
          for (const result of await settled) {
            if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'UNAVAILABLE' });
            else expect(state).toBe('up');
          }
        }
      }
      await line.close();
      for (const call of calls(behind, key))
        await expect(call()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    } finally {
      await behind.close();
    }
    for (const call of calls(behind, key))
      await expect(call()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('claimEvents', () => {
  const identity = (id: string, fields: Partial<EventIdentity> = {}): EventIdentity => ({
    tenantId: 'default',
    source: 'api',
    id,
    ...fields,
  });
  const claim = (events: readonly EventIdentity[], to: Store = store) =>
    to.transaction((transaction) => transaction.claimEvents(events, now));

  it('returns for each event whether it is new, and of two equal events only the first is new', async () => {
    const [a, b, c] = [identity(uuidV7()), identity(uuidV7()), identity(uuidV7())];
    expect(await claim([b, a, b, b])).toEqual([true, true, false, false]);
    expect(await claim([c, a, c, b])).toEqual([true, false, false, false]);
    expect(await claim([])).toEqual([]);
  });

  it('distinguishes events by tenant, source and id', async () => {
    const id = uuidV7();
    const others = [
      identity(id),
      identity(id, { tenantId: 'other' }),
      identity(id, { source: 'crm' }),
      identity(`${id} `),
    ];
    expect(await claim([...others, ...others])).toEqual([true, true, true, true, false, false, false, false]);
  });

  it('accepts any text as an id', async () => {
    const ids = [
      '"',
      '\\',
      '{}',
      ',',
      'NULL',
      'null',
      ' ',
      '%',
      "'",
      '\u{1F600}',
      'x'.repeat(128),
      '\\u0041',
    ];
    const events = ids.map((id) => identity(id, { source: 'odd' }));
    expect(await claim(events)).toEqual(ids.map(() => true));
    expect(await claim(events)).toEqual(ids.map(() => false));
  });

  it('releases the claimed events if the transaction fails', async () => {
    const event = identity(uuidV7());
    const failing = store.transaction(async (transaction) => {
      expect(await transaction.claimEvents([event], now)).toEqual([true]);
      throw new Error('not applied');
    });
    await expect(failing).rejects.toThrow('not applied');
    expect(await claim([event])).toEqual([true]);
  });

  it('gives each event to only one of several workers, whatever the order of the events is', async () => {
    const workers = [store, createPostgresStore(storage.connectAgain())];
    for (let round = 0; round < 10; round += 1) {
      const events = Array.from({ length: 100 }, () => identity(uuidV7()));
      const orders = [events, events.toReversed(), [...events.slice(50), ...events.slice(0, 50)]];
      const claimed = await Promise.all(
        orders.map(async (order, n) => {
          const news = await claim(order, workers[n % 2]);
          return order.filter((_, place) => news[place]).map(({ id }) => id);
        }),
      );
      expect(claimed.flat().toSorted()).toEqual(events.map(({ id }) => id).toSorted());
    }
  });

  it('never leads to a deadlock of two workers', async () => {
    const events = Array.from({ length: 3 }, () => identity(uuidV7()));
    const claimed = defer();
    const held = defer();
    // One transaction claims the middle event first. So each of the two other transactions claims some events
    // and then waits. Then the first transaction ends.
    const middle = store.transaction(async (transaction) => {
      await transaction.claimEvents(events.slice(1, 2), now);
      claimed.resolve();
      await held.promise;
      throw new Error('not applied');
    });
    await claimed.promise;
    const both = Promise.all([claim(events), claim(events.toReversed())]);
    await vi.waitFor(async () => {
      const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      expect(await storage.query(sql)).toHaveLength(2);
    });
    held.resolve();
    await expect(middle).rejects.toThrow('not applied');
    const [forwards, backwards] = await both;
    expect([...forwards, ...backwards].filter(Boolean)).toHaveLength(3);
  });

  it('waits for another transaction that claimed the same event, and claims the event if that transaction fails', async () => {
    const event = identity(uuidV7());
    const claimed = defer();
    const held = defer();
    const first = store.transaction(async (transaction) => {
      await transaction.claimEvents([event], now);
      claimed.resolve();
      await held.promise;
      throw new Error('not applied');
    });
    await claimed.promise;
    const second = claim([event]);
    held.resolve();
    await expect(first).rejects.toThrow('not applied');
    expect(await second).toEqual([true]);
  });
});

describe('bindKeys', () => {
  const key = (name: string, digest: string, fields: object = {}) => ({
    tenantId: 'default',
    caller: 'user:alice',
    mutation: 'recordPageView',
    key: name,
    digest,
    ...fields,
  });

  it('returns for each key the digest to which the key was first bound', async () => {
    const [a, b] = [uuidV7(), uuidV7()];
    expect(await store.bindKeys([key(a, '1'), key(b, '2'), key(a, '3'), key(a, '1')], now)).toEqual([
      '1',
      '2',
      '1',
      '1',
    ]);
    expect(await store.bindKeys([key(b, '4'), key(a, '1')], now)).toEqual(['2', '1']);
    expect(await store.boundDigest(key(a, '-'))).toBe('1');
    expect(await store.boundDigest(key(uuidV7(), '-'))).toBeUndefined();
    expect(await store.bindKeys([], now)).toEqual([]);
  });

  it('distinguishes keys by tenant, caller and mutation', async () => {
    const name = uuidV7();
    const keys = [
      key(name, '1'),
      key(name, '2', { tenantId: 'other' }),
      key(name, '3', { caller: 'service:alice' }),
      key(name, '4', { mutation: 'recordPageViews' }),
    ];
    expect(await store.bindKeys(keys, now)).toEqual(['1', '2', '3', '4']);
  });

  it('binds a key only once if several callers bind it at the same time, whatever the order of their keys is', async () => {
    for (let round = 0; round < 10; round += 1) {
      const names = Array.from({ length: 20 }, () => uuidV7());
      const racers = await Promise.all(
        ['a', 'b', 'c', 'd', 'e', 'f'].map(async (digest, r) => {
          const order = r % 2 === 0 ? names : names.toReversed();
          const bound = await store.bindKeys(
            order.map((name) => key(name, digest)),
            now,
          );
          return new Map(order.map((name, n) => [name, bound[n]]));
        }),
      );
      for (const name of names) expect(new Set(racers.map((bound) => bound.get(name))).size).toBe(1);
    }
  });
});

describe('users', () => {
  const patch = (key: UserKey, fields: object) =>
    store.transaction((transaction) => transaction.patchUsers([{ ...key, patch: fields }], now));

  it('are created once with defaults, and do not change when `ensureUsers` is called again', async () => {
    const key = anyone();
    const ensure = (at: Date) => store.transaction((transaction) => transaction.ensureUsers([key, key], at));
    await ensure(now);
    await patch(key, { timeZone: 'Asia/Kathmandu' });
    await ensure(minutes(5));
    expect(await store.users([key])).toEqual([
      { ...key, timeZone: 'Asia/Kathmandu', canReceiveNotifications: true, createdAt: now },
    ]);
  });

  it('do not change in a field that a patch omits, and get the default for a field that is null in the patch', async () => {
    const key = anyone();
    const is = async (timeZone: string, canReceiveNotifications: boolean) =>
      expect(await store.users([key])).toMatchObject([{ timeZone, canReceiveNotifications }]);
    expect(await patch(key, { timeZone: 'Europe/Berlin', canReceiveNotifications: false })).toEqual([true]);
    await is('Europe/Berlin', false);
    expect(await patch(key, {})).toEqual([false]);
    await is('Europe/Berlin', false);
    await patch(key, { timeZone: undefined, canReceiveNotifications: true });
    await is('Europe/Berlin', true);
    await patch(key, { canReceiveNotifications: false });
    await patch(key, { timeZone: null });
    await is('UTC', false);
    await patch(key, { canReceiveNotifications: null });
    await is('UTC', true);
  });

  it('are created and changed in one call, which reports which users it created', async () => {
    const [a, b, c] = [anyone(), anyone(), anyone()];
    await patch(b, {});
    const patches = [
      { ...c, patch: { timeZone: 'Europe/Berlin' } },
      { ...b, patch: { canReceiveNotifications: false } },
      { ...a, patch: {} },
    ];
    expect(await store.transaction((transaction) => transaction.patchUsers(patches, now))).toEqual([
      true,
      false,
      true,
    ]);
    const found = new Map((await store.users([a, b, c, anyone()])).map((user) => [user.userId, user]));
    expect([a, b, c].map(({ userId }) => found.get(userId))).toMatchObject([
      { timeZone: 'UTC', canReceiveNotifications: true },
      { timeZone: 'UTC', canReceiveNotifications: false },
      { timeZone: 'Europe/Berlin', canReceiveNotifications: true },
    ]);
  });

  it('are found by the tenant and the id together', async () => {
    const { userId } = anyone();
    const keys = ['t1', 't2'].map((tenantId) => ({ tenantId, userId }));
    await store.transaction((transaction) => transaction.ensureUsers([keys[0] as UserKey], now));
    expect(await store.users(keys)).toMatchObject([{ tenantId: 't1' }]);
    expect(await store.users([])).toEqual([]);
  });

  it('are locked in the same order by every transaction that creates or changes several users, so transactions never deadlock', async () => {
    for (let round = 0; round < 6; round += 1) {
      // Sorting by `tenant/user` and sorting by two columns give these keys different orders.
      const keys = ['a', 'a-b'].flatMap((tenantId) =>
        Array.from({ length: 500 }, (_, n) => ({ tenantId, userId: `${round} ${n}` })),
      );
      const patches = keys.map((key) => ({ ...key, patch: { timeZone: 'Europe/Berlin' } }));
      await Promise.all([
        store.transaction((transaction) => transaction.ensureUsers(distinctUsers(keys), now)),
        store.transaction((transaction) => transaction.patchUsers(patches, now)),
        store.transaction((transaction) => transaction.patchUsers(patches.toReversed(), now)),
        store.transaction((transaction) => transaction.ensureUsers(keys.toReversed(), now)),
      ]);
      expect(await store.users(keys)).toHaveLength(1_000);
    }
  });
});

describe('page views', () => {
  it('are in the partition of their month, even at the first and the last instant of the month', async () => {
    const key = anyone();
    const moments = [
      '2025-12-31T23:59:59.999Z',
      '2026-01-01T00:00:00.000Z',
      '2026-02-28T23:59:59.999Z',
      '2026-03-01T00:00:00.000Z',
      '2024-02-29T12:00:00.001Z',
    ].map((text) => new Date(text));
    await expect(addViews(moments.map((occurredAt) => view(key, { occurredAt })))).rejects.toThrow();
    await Promise.all([
      store.preparePageViews(moments),
      createPostgresStore(storage.connectAgain()).preparePageViews(moments),
    ]);
    await store.preparePageViews(moments);
    await addViews(moments.map((occurredAt) => view(key, { occurredAt })));
    const views = await store.pageViews(key, { first: 10 });
    expect(views.map(({ occurredAt }) => occurredAt)).toEqual(
      moments.toSorted((a, b) => b.getTime() - a.getTime()),
    );
    const partitions = await storage.query<{ name: string }>(
      'SELECT DISTINCT tableoid::regclass::text AS name FROM page_view WHERE user_id = $1 ORDER BY 1',
      [key.userId],
    );
    expect(partitions.map(({ name }) => name)).toEqual(
      ['2024_02', '2025_12', '2026_01', '2026_02', '2026_03'].map((month) => `page_view_${month}`),
    );
  });

  it('are read back as they were stored', async () => {
    const key = anyone();
    const odd = [
      '\\',
      '"',
      '{',
      '}',
      ',',
      'NULL',
      'null',
      '\u{1F600}',
      '2026-01-01',
      "'; DROP TABLE page_view; --",
      '\u2028',
      ' ',
    ];
    const views = odd.map((text, n) =>
      view(key, {
        name: text,
        path: n % 2 ? text : null,
        subjectId: n % 3 ? null : text,
        occurredAt: minutes(-n),
      }),
    );
    await addViews(views);
    expect(await store.pageViews(key, { first: 100 })).toEqual(views);
    for (const one of views) expect(await store.pageView(key, one)).toEqual(one);
    expect(await store.pageView(anyone(), views[0] as PageView)).toBeUndefined();
  });

  it('are paged within the range without gaps and repeats, even if many page views have the same time', async () => {
    const moment = fc.nat(6);
    const arbitrary = fc.record({
      moments: fc.array(moment, { maxLength: 25 }),
      first: fc.integer({ min: 1, max: 6 }),
      from: fc.option(moment, { nil: undefined }),
      to: fc.option(moment, { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ moments, first, from, to }) => {
        const key = anyone();
        const views = moments.map((n) => view(key, { id: crypto.randomUUID(), occurredAt: minutes(n) }));
        await addViews(views);
        const range = {
          ...(from !== undefined && { from: minutes(from) }),
          ...(to !== undefined && { to: minutes(to) }),
        };
        const paged: PageView[] = [];
        for (;;) {
          const last = paged.at(-1);
          const page = await store.pageViews(key, { ...range, first, ...(last && { after: last }) });
          expect(page.length).toBeLessThanOrEqual(first);
          paged.push(...page);
          if (page.length < first) break;
        }
        const expected = views
          .filter(
            ({ occurredAt }) =>
              (!range.from || occurredAt >= range.from) && (!range.to || occurredAt < range.to),
          )
          .toSorted((a, b) => b.occurredAt.getTime() - a.occurredAt.getTime() || (a.id < b.id ? 1 : -1));
        expect(paged).toEqual(expected);
        expect(await store.countPageViews(key, range)).toBe(expected.length);
      }),
      { numRuns: 40 },
    );
  });

  it('are on the same pages even if newer page views arrive between two reads', async () => {
    const key = anyone();
    await addViews(Array.from({ length: 6 }, (_, n) => view(key, { occurredAt: minutes(n) })));
    const page = await store.pageViews(key, { first: 3 });
    await addViews([view(key, { occurredAt: minutes(10) })]);
    const next = await store.pageViews(key, { first: 10, after: page.at(-1) as PageView });
    expect(next.map(({ occurredAt }) => occurredAt)).toEqual([minutes(2), minutes(1), minutes(0)]);
  });
});

describe('inboxes', () => {
  it('are returned in the order of the keys, and missing inboxes of existing users are created', async () => {
    const keys = [await someone(), await someone(), await someone(), anyone()];
    const [a, b, c, nobody] = keys as [UserKey, UserKey, UserKey, UserKey];
    await deliverTo(b, 2);
    const locked = await store.transaction((transaction) => transaction.lockInboxes([c, nobody, a, b], now));
    expect(locked.map(({ inbox }) => inbox)).toEqual([
      emptyInbox(c, now),
      emptyInbox(a, now),
      expect.objectContaining({ ...b, unseen: 2, lastSeq: 2n }),
    ]);
    expect(locked.map(({ user }) => user)).toEqual(
      [c, a, b].map((key) => ({ ...key, ...userDefaults, createdAt: now, disabledCategories: [] })),
    );
    expect(await storage.query('SELECT FROM inbox WHERE user_id = $1', [nobody.userId])).toEqual([]);
  });

  it('are locked in the same order whatever the order of the keys is, so transactions never deadlock', async () => {
    // Sorting by `tenant/user` and sorting by two columns give these keys different orders.
    const keys = ['a', 'a-b'].flatMap((tenantId) =>
      Array.from({ length: 20 }, (_, n) => ({ tenantId, userId: `locked ${n}` })),
    );
    await store.transaction((transaction) => transaction.ensureUsers(keys, now));
    await store.transaction((transaction) => transaction.lockInboxes(keys, now));
    for (let round = 0; round < 100; round += 1) {
      await Promise.all(
        [keys, keys.toReversed(), distinctUsers(keys)].map((own) =>
          store.transaction((transaction) => transaction.lockInboxes(own, now)),
        ),
      );
    }
  });

  it('remain locked until the end of the transaction, and the next transaction sees the saved state', async () => {
    const keys = distinctUsers([await someone(), await someone(), await someone()]);
    await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        store.transaction(async (transaction) => {
          const inboxes = await transaction.lockInboxes(n % 2 ? keys : keys.slice(1), now);
          await transaction.saveInboxes(
            inboxes.map(({ inbox }) => ({ ...inbox, unseen: inbox.unseen + 1, version: inbox.version + 1 })),
          );
        }),
      ),
    );
    const found = (await store.inboxes(keys)).toSorted((x, y) => (x.userId < y.userId ? -1 : 1));
    expect(found.map(({ unseen, version }) => [unseen, version])).toEqual([
      [15, 15],
      [30, 30],
      [30, 30],
    ]);
  });

  it('are read back as they were saved', async () => {
    const key = await someone();
    const saved: Inbox = {
      ...key,
      unseen: 3,
      unread: 2_147_483_647,
      lastSeq: 9_007_199_254_740_993n,
      openedSeq: 9_007_199_254_740_992n,
      changeSeq: 9_007_199_254_740_994n,
      version: 9_007_199_254_740_991,
      firstVersion: 0,
      lastOpenedAt: new Date('2026-03-29T01:30:00.001Z'),
      updatedAt: new Date('2026-10-25T00:59:59.999Z'),
    };
    await store.transaction(async (transaction) => {
      await transaction.lockInboxes([key], now);
      await transaction.saveInboxes([saved]);
      expect(await transaction.inboxes([key])).toEqual([saved]);
    });
    expect(await store.inboxes([key])).toEqual([saved]);
  });
});

describe('notifications', () => {
  it('are listed newest first and paged by seq, without suppressed ones', async () => {
    const key = anyone();
    await deliverTo(key, 7);
    const suppressed: Notification = {
      ...(await store.notifications(key, { first: 1 }))[0],
      id: uuidV7(),
      seq: null,
      status: 'SUPPRESSED',
      deliveredAt: null,
    } as Notification;
    await store.transaction((transaction) => transaction.addNotifications([suppressed]));
    const seqs = async (page: { first: number; before?: bigint }) =>
      (await store.notifications(key, page)).map(({ seq }) => Number(seq));
    expect(await seqs({ first: 3 })).toEqual([7, 6, 5]);
    expect(await seqs({ first: 3, before: 5n })).toEqual([4, 3, 2]);
    expect(await seqs({ first: 3, before: 2n })).toEqual([1]);
    expect(await seqs({ first: 3, before: 1n })).toEqual([]);
    expect(await store.countNotifications(key, {})).toBe(7);
    expect(await store.notification(key.tenantId, suppressed.id)).toEqual(suppressed);
    expect(await store.notification('other', suppressed.id)).toBeUndefined();
    await store.transaction(async (transaction) => expect(await transaction.countUnseen(key, 0n)).toBe(7));
  });

  it('are read back as they were stored', async () => {
    const key = anyone();
    const data = { text: '"\\{},NULL\u{1F600}', list: [1, null, { a: [] }], number: 1.5e-7, '': false };
    await deliverTo(key, 1, {
      body: 'NULL',
      data,
      actionUrl: '/a,b',
      subjectId: '{"x"}',
      title: "it's",
      severity: 'CRITICAL',
      groupKey: 'a,"b"',
      expiresAt: minutes(5),
      scheduledFor: minutes(-5),
    });
    const [stored] = await store.notifications(key, { first: 1 });
    expect(stored).toMatchObject({
      body: 'NULL',
      data,
      actionUrl: '/a,b',
      subjectId: '{"x"}',
      title: "it's",
      severity: 'CRITICAL',
      groupKey: 'a,"b"',
      expiresAt: minutes(5),
      scheduledFor: minutes(-5),
    });
    expect(stored).toMatchObject({
      seq: 1n,
      status: 'DELIVERED',
      createdAt: now,
      deliveredAt: now,
      seenAt: null,
    });
  });

  it('are updated and removed', async () => {
    const key = anyone();
    await deliverTo(key, 2);
    const [first, second] = await store.notifications(key, { first: 2 });
    const became: Notification = {
      ...(first as Notification),
      seq: 7n,
      title: 'another',
      data: { a: ['x'] },
      deliveredAt: minutes(1),
      seenAt: minutes(2),
      readAt: minutes(3),
      archivedAt: minutes(4),
      snoozedUntil: minutes(5),
      groupCount: 3,
    };
    await store.transaction((transaction) => transaction.saveNotifications([became]));
    expect(await store.notification(key.tenantId, became.id)).toEqual(became);
    await store.transaction((transaction) => transaction.removeNotifications([became]));
    expect(await store.notifications(key, { first: 5 })).toEqual([second]);
  });

  it('count as seen at the first opening that covered them', async () => {
    // The seqs are 1 to 8. The openings move the watermark to some of these seqs.
    const openings = fc
      .uniqueArray(fc.integer({ min: 1, max: 8 }), { maxLength: 5 })
      .map((ups) => ups.toSorted((a, b) => a - b));
    await fc.assert(
      fc.asyncProperty(openings, async (ups) => {
        const key = anyone();
        await deliverTo(key, 8);
        await store.transaction(async (transaction) => {
          for (const [n, up] of ups.entries()) await transaction.addOpening(key, BigInt(up), minutes(n));
        });
        for (const { seq, seenAt } of await store.notifications(key, { first: 10 })) {
          const covering = ups.findIndex((up) => up >= Number(seq));
          expect(seenAt).toEqual(covering === -1 ? null : minutes(covering));
        }
        const last = BigInt(ups.at(-1) ?? 0);
        await store.transaction(async (transaction) =>
          expect(await transaction.countUnseen(key, last)).toBe(8 - Number(last)),
        );
      }),
      { numRuns: 15 },
    );
  });
});

describe('dead letters', () => {
  it('are stored completely, and only once per offset of the log', async () => {
    const letter = (offset: number, fields: Partial<DeadLetter> = {}): DeadLetter => ({
      tenantId: '',
      topic: 'incoming.user_activity',
      partition: 0,
      offset: BigInt(offset),
      key: null,
      headers: {},
      payload: Uint8Array.from([0, 255, 254, 10, 0]),
      errorCode: 'MALFORMED_EVENT',
      errorMessage: 'not UTF-8',
      attempts: 1,
      failedAt: now,
      ...fields,
    });
    const add = (letters: readonly DeadLetter[]) =>
      store.transaction((transaction) => transaction.addDeadLetters(letters));
    await add([letter(1), letter(2, { key: 'a/b', payload: new Uint8Array() }), letter(1)]);
    await add([letter(1, { errorMessage: 'another' }), letter(1, { partition: 1 })]);
    const rows = await storage.query<{ payload: Buffer }>(
      'SELECT partition, "offset", key, payload, error_message FROM dead_letter ORDER BY partition, "offset"',
    );
    expect(rows).toEqual([
      {
        partition: 0,
        offset: '1',
        key: null,
        payload: Buffer.from([0, 255, 254, 10, 0]),
        error_message: 'not UTF-8',
      },
      { partition: 0, offset: '2', key: 'a/b', payload: Buffer.alloc(0), error_message: 'not UTF-8' },
      {
        partition: 1,
        offset: '1',
        key: null,
        payload: Buffer.from([0, 255, 254, 10, 0]),
        error_message: 'not UTF-8',
      },
    ]);
  });
});

describe('times', () => {
  it('remain the same instants in any time zone of the database', async () => {
    const far = await openTestStorage();
    try {
      const name = new URL(far.connection.connectionString).pathname.slice(1);
      await far.query(`ALTER DATABASE ${name} SET TimeZone = 'America/St_Johns'`);
      const there = createPostgresStore(far.connectAgain());
      const key = await someone();
      await there.preparePageViews([now]);
      const one = view(key);
      await there.transaction(async (transaction) => {
        await transaction.ensureUsers([key], now);
        await transaction.addPageViews([one]);
        await transaction.lockInboxes([key], now);
      });
      expect(await there.users([key])).toMatchObject([{ createdAt: now }]);
      expect(await there.pageViews(key, { first: 1, from: now, to: minutes(1) })).toEqual([one]);
      expect(await there.countPageViews(key, { from: now, to: minutes(1) })).toBe(1);
      expect(await there.pageView(key, one)).toEqual(one);
      expect(await there.inboxes([key])).toEqual([emptyInbox(key, now)]);
      const days = [{ date: '2026-11-20', start: new Date('2026-11-20T00:00:00Z') }];
      const stats = await there.stats(key, { start: now, end: minutes(1), timeZone: 'UTC', days });
      expect(stats).toMatchObject({ pageViewCount: 1, topPages: [{ lastViewedAt: now }] });
      const sql = 'SELECT extract(epoch FROM created_at) * 1000 = $1 AS same FROM app_user';
      expect(await far.query(sql, [now.getTime()])).toEqual([{ same: true }]);
    } finally {
      await far.close();
    }
  });
});
