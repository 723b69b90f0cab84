import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import type { Badge } from '../../domain/badge.ts';
import { AppError } from '../../domain/error.ts';
import { badgeOf } from '../../domain/inbox.ts';
import type { UserKey } from '../../domain/user.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { observed } from '../../testing/faults.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createProject } from '../apply/project.ts';
import { badgeTopic, publishBadges } from '../deliver/publish.ts';
import { createRead } from '../read/read.ts';
import { type BadgeUpdate, createWatch } from './watch.ts';

const waiting = { timeout: 5_000, interval: 2 };
const hourMs = 3_600_000;
const keys = ['notifications'];

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Creates a watch with backends that the test controls. */
function build({
  resyncMs = hourMs,
  subscribeWaitMs = 50,
  store = storage.store,
}: {
  resyncMs?: number;
  subscribeWaitMs?: number;
  store?: Store;
} = {}) {
  const clock = createTestClock();
  const pubSub = observed(createLocalPubSub());
  const deps = { store, pubSub, clock, logger: silent };
  const watch = createWatch({ ...deps, read: createRead({ store, clock }) }, { resyncMs, subscribeWaitMs });
  stops.push(watch.stop);
  const project = createProject({ ...deps, store: storage.store }, { retentionDays: 183 });
  const act = createAct({ ...deps, store: storage.store });
  return {
    watch,
    pubSub,
    act,
    /** Delivers a notification. */
    arrive: async (user: UserKey) =>
      void (await project.apply(recordsOf([notificationSent(user)], ++offsets))),
    publish: (badge: Badge) => publishBadges({ pubSub, logger: silent }, [badge], 'ARRIVED'),
  };
}

let users = 0;
let offsets = 0;
async function createUser(): Promise<UserKey> {
  const key = { tenantId: 'default', userId: `user-${++users}` };
  await storage.store.transaction((transaction) => transaction.ensureUsers([key], testNow));
  return key;
}

/** Collects all updates as they arrive. */
function follow(updates: AsyncIterableIterator<BadgeUpdate>): readonly BadgeUpdate[] {
  const seen: BadgeUpdate[] = [];
  void (async () => {
    for await (const update of updates) seen.push(update);
  })();
  return seen;
}

const versionOf = async (user: UserKey) => (await storage.store.inboxes([user]))[0]?.version ?? 0;
const badge = (user: UserKey, version: number): Badge => ({
  ...user,
  key: 'notifications',
  unseen: version,
  unread: version,
  version,
  asOf: testNow,
});

describe('the first update', () => {
  it('is a snapshot with the current count, which is 0 for a user who does not exist', async () => {
    const { watch, arrive } = build();
    const user = await createUser();
    const forUnknown = await (await watch.badges({ ...user, userId: 'nobody' }, keys)).next();
    expect(forUnknown.value).toMatchObject({
      kind: 'SNAPSHOT',
      cause: null,
      badge: { unseen: 0, unread: 0, version: 0 },
    });
    await arrive(user);
    const forKnown = await (await watch.badges(user, keys)).next();
    expect(forKnown.value).toEqual({ kind: 'SNAPSHOT', cause: null, badge: badge(user, 1) });
  });

  it('has the count at the time of subscribing or later, and the last update is correct after concurrent writes', async () => {
    const { watch, arrive, act } = build();
    const user = await createUser();
    let writing = true;
    const writer = (async () => {
      for (let n = 0; n < 60; n += 1) {
        if (n % 7 === 6) await act.openInbox(user, undefined);
        else await arrive(user);
      }
      writing = false;
    })();
    const followed: { readonly first: BadgeUpdate; readonly later: readonly BadgeUpdate[] }[] = [];
    while (writing) {
      const before = await versionOf(user);
      const updates = await watch.badges(user, keys);
      const first = (await updates.next()).value as BadgeUpdate;
      expect(first.kind).toBe('SNAPSHOT');
      expect(first.badge.version).toBeGreaterThanOrEqual(before);
      followed.push({ first, later: follow(updates) });
    }
    await writer;
    await nextTurn();
    expect(followed.length).toBeGreaterThan(10);
    expect(followed.some(({ later }) => later.length > 0)).toBe(true);
    const [inbox] = await storage.store.inboxes([user]);
    for (const { first, later } of followed) {
      expect(later.every(({ kind }) => kind === 'CHANGE')).toBe(true);
      expect((later.at(-1) ?? first).badge).toEqual(inbox && badgeOf(inbox));
    }
  });

  it('has the newer state of the snapshot and a message that arrives while the snapshot is read', async () => {
    const held = defer();
    const store: Store = {
      ...storage.store,
      async inboxes(users) {
        const read = await storage.store.inboxes(users);
        await held.promise;
        return read;
      },
    };
    const { watch, arrive } = build({ store });
    const user = await createUser();
    await arrive(user);
    const reading = vi.spyOn(store, 'inboxes');
    const subscribing = watch.badges(user, keys);
    await vi.waitFor(() => expect(reading).toHaveBeenCalled(), waiting);
    await arrive(user);
    await arrive(user);
    held.resolve();
    const updates = await subscribing;
    expect((await updates.next()).value).toMatchObject({
      kind: 'SNAPSHOT',
      badge: { version: 3, unseen: 3 },
    });
    await arrive(user);
    expect((await updates.next()).value).toMatchObject({
      kind: 'CHANGE',
      cause: 'ARRIVED',
      badge: { version: 4 },
    });
  });

  it('is not emitted if the read fails, and then the subscription rejects and leaves no watcher', async () => {
    const { watch, pubSub } = build({
      store: { ...storage.store, inboxes: () => Promise.reject(new AppError('UNAVAILABLE')) },
    });
    await expect(watch.badges(await createUser(), keys)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(pubSub.subscriptions()).toBe(0);
    expect(watch.count()).toBe(0);
  });
});

describe('the versions of badges', () => {
  it('only increase for a watcher, in whatever order and however often states are published', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(12), { minLength: 1, maxLength: 20 }), async (versions) => {
        const { watch, publish } = build();
        const user = await createUser();
        const updates = await watch.badges(user, keys);
        await updates.next();
        const seen = follow(updates);
        for (const version of versions) {
          await publish(badge(user, version));
          await nextTurn();
        }
        const growing = versions.filter((version, n) => version > Math.max(0, ...versions.slice(0, n)));
        expect(seen.map((update) => update.badge.version)).toEqual(growing);
        await updates.return?.();
      }),
      { numRuns: 40 },
    );
  });

  it('are sent only to the watchers of their user and badge', async () => {
    const { watch, pubSub, publish } = build();
    const [user, other] = [await createUser(), await createUser()];
    const updates = await watch.badges(user, keys);
    await updates.next();
    const seen = follow(updates);
    await publish(badge(other, 5));
    await publish({ ...badge(user, 6), key: 'items:news' });
    await publish(badge({ ...user, tenantId: 'other' }, 7));
    for (const value of ['', 'not json', '{}', '{"badge":{"version":9}}', 'null']) {
      await pubSub.publish([{ topic: badgeTopic(user, 'notifications'), value }]);
    }
    await publish(badge(user, 1));
    await vi.waitFor(() => expect(seen.map((update) => update.badge)).toEqual([badge(user, 1)]), waiting);
  });
});

describe('a lost message', () => {
  /**
   * Loses the message of an arrival. Resolves to whether the watcher receives the arrival within `withinMs`.
   */
  async function isHealed({ resyncMs, withinMs }: { resyncMs: number; withinMs: number }): Promise<boolean> {
    const { watch, pubSub, arrive } = build({ resyncMs });
    const user = await createUser();
    const updates = await watch.badges(user, keys);
    await updates.next();
    const seen = follow(updates);
    pubSub.lose = true;
    await arrive(user);
    try {
      await vi.waitFor(() => expect(seen).toHaveLength(1), { timeout: withinMs, interval: 5 });
    } catch {
      return false;
    }
    expect(seen).toEqual([{ kind: 'CHANGE', cause: 'RESYNCED', badge: badge(user, 1) }]);
    return true;
  }

  it('is compensated by the next resync', async () => {
    expect(await isHealed({ resyncMs: 100, withinMs: 2_000 })).toBe(true);
  });

  it('is never compensated without a resync (control: the check above can fail)', async () => {
    expect(await isHealed({ resyncMs: hourMs, withinMs: 500 })).toBe(false);
  });

  it('is compensated at once if pub/sub reports the gap', async () => {
    const { watch, pubSub, arrive } = build();
    const user = await createUser();
    const updates = await watch.badges(user, keys);
    await updates.next();
    pubSub.lose = true;
    await arrive(user);
    pubSub.gap();
    expect((await updates.next()).value).toMatchObject({ cause: 'RESYNCED', badge: { version: 1 } });
  });

  it('is compensated even if pub/sub reports the gap while badges are being read', async () => {
    const held = defer();
    let reads = 0;
    const { watch, pubSub, arrive } = build({
      store: {
        ...storage.store,
        async inboxes(users) {
          const read = await storage.store.inboxes(users);
          reads += 1;
          // The first read is the snapshot. The second read is a resync that reads the badge before the
          // message is lost.
          if (reads === 2) await held.promise;
          return read;
        },
      },
    });
    const user = await createUser();
    const updates = await watch.badges(user, keys);
    await updates.next();
    void watch.resync();
    await vi.waitFor(() => expect(reads).toBe(2), waiting);
    pubSub.lose = true;
    await arrive(user);
    pubSub.gap();
    pubSub.gap();
    held.resolve();
    expect((await updates.next()).value).toMatchObject({ cause: 'RESYNCED', badge: { version: 1 } });
    expect(reads).toBe(3);
  });

  it('is compensated after the database was unreachable during the resync', async () => {
    let failures = 0;
    const { watch, pubSub, arrive } = build({
      resyncMs: 60,
      store: {
        ...storage.store,
        async inboxes(users) {
          if (pubSub.lose && failures++ < 3) throw new AppError('UNAVAILABLE');
          return storage.store.inboxes(users);
        },
      },
    });
    const user = await createUser();
    const updates = await watch.badges(user, keys);
    await updates.next();
    pubSub.lose = true;
    await arrive(user);
    expect((await updates.next()).value).toMatchObject({ cause: 'RESYNCED', badge: { version: 1 } });
    expect(failures).toBe(4);
  });
});

describe('a watcher while pub/sub is unreachable', () => {
  it('begins with the snapshot, and receives the missed update when it is subscribed', async () => {
    const { watch, pubSub, arrive } = build();
    const back = defer();
    pubSub.away = back.promise;
    const user = await createUser();
    await arrive(user);
    const updates = await watch.badges(user, keys);
    expect((await updates.next()).value).toMatchObject({ kind: 'SNAPSHOT', badge: { version: 1 } });
    pubSub.lose = true;
    await arrive(user);
    back.resolve();
    expect((await updates.next()).value).toMatchObject({
      kind: 'CHANGE',
      cause: 'RESYNCED',
      badge: { version: 2 },
    });
    pubSub.lose = false;
    await arrive(user);
    expect((await updates.next()).value).toMatchObject({ cause: 'ARRIVED', badge: { version: 3 } });
  });

  it('waits until pub/sub is back without the time limit (control)', async () => {
    const { watch, pubSub } = build({ subscribeWaitMs: hourMs });
    pubSub.away = new Promise(() => {});
    const subscribing = watch.badges(await createUser(), keys);
    expect(await Promise.race([subscribing, delay(300, 'waits')])).toBe('waits');
  });

  it('reads again until a read succeeds if the database is unreachable too', async () => {
    let isAway = false;
    const { watch, pubSub, arrive } = build({
      resyncMs: 100,
      store: {
        ...storage.store,
        async inboxes(users) {
          if (isAway) throw new AppError('UNAVAILABLE');
          return storage.store.inboxes(users);
        },
      },
    });
    const back = defer();
    pubSub.away = back.promise;
    const user = await createUser();
    const updates = await watch.badges(user, keys);
    await updates.next();
    pubSub.lose = true;
    await arrive(user);
    isAway = true;
    back.resolve();
    await delay(50);
    isAway = false;
    expect((await updates.next()).value).toMatchObject({ cause: 'RESYNCED', badge: { version: 1 } });
  });

  it('leaves no subscription when it ends, and a subscription that is confirmed later causes no read', async () => {
    const inboxes = vi.fn(storage.store.inboxes);
    const { watch, pubSub } = build({ store: { ...storage.store, inboxes } });
    const back = defer();
    pubSub.away = back.promise;
    const updates = await watch.badges(await createUser(), keys);
    await updates.return?.();
    expect([watch.count(), pubSub.subscriptions()]).toEqual([0, 0]);
    inboxes.mockClear();
    back.resolve();
    await delay(20);
    expect(inboxes).not.toHaveBeenCalled();
  });
});

describe('messages that cannot be parsed', () => {
  it('are dropped and counted once, even if there are many watchers', async () => {
    const { watch, pubSub, publish } = build();
    const user = await createUser();
    const all = await Promise.all([1, 2, 3].map(() => watch.badges(user, keys)));
    await Promise.all(all.map((updates) => updates.next()));
    for (const value of ['', 'not json', '{}', 'null']) {
      await pubSub.publish([{ topic: badgeTopic(user, 'notifications'), value }]);
    }
    await publish(badge(user, 1));
    for (const updates of all) expect((await updates.next()).value).toMatchObject({ badge: { version: 1 } });
    expect(watch.unreadable()).toBe(4);
  });
});

describe('a slow client', () => {
  it('receives only the newest value, and an update that replaces an unread snapshot is a snapshot', async () => {
    const { watch, publish } = build();
    const user = await createUser();
    const updates = await watch.badges(user, keys);
    for (let version = 1; version <= 1_000; version += 1) await publish(badge(user, version));
    expect((await updates.next()).value).toEqual({
      kind: 'SNAPSHOT',
      cause: null,
      badge: badge(user, 1_000),
    });
    for (let version = 1_001; version <= 2_000; version += 1) await publish(badge(user, version));
    expect((await updates.next()).value).toEqual({
      kind: 'CHANGE',
      cause: 'ARRIVED',
      badge: badge(user, 2_000),
    });
    const next = updates.next();
    await updates.return?.();
    expect(await next).toEqual({ value: undefined, done: true });
  });
});

describe('the end of a watcher', () => {
  it('unsubscribes only that watcher', async () => {
    const { watch, pubSub, publish } = build();
    const user = await createUser();
    const [first, second] = [await watch.badges(user, keys), await watch.badges(user, keys)];
    expect([watch.count(), pubSub.subscriptions()]).toEqual([2, 2]);
    await first.return?.();
    await first.return?.();
    expect([watch.count(), pubSub.subscriptions()]).toEqual([1, 1]);
    await second.next();
    await publish(badge(user, 1));
    expect((await second.next()).value).toMatchObject({ badge: { version: 1 } });
    expect(await first.next()).toEqual({ value: undefined, done: true });
    await second.return?.();
    expect([watch.count(), pubSub.subscriptions()]).toEqual([0, 0]);
  });
});

describe('many watchers', () => {
  it('share their reads, so 2500 watchers need three queries to begin and three queries for a resync', async () => {
    const inboxes = vi.fn(storage.store.inboxes);
    const { watch, pubSub, arrive } = build({ store: { ...storage.store, inboxes } });
    const user = await createUser();
    const many = Array.from({ length: 2_500 }, (_, n) => ({
      ...user,
      userId: n === 0 ? user.userId : `watched-${n}`,
    }));
    const iterators = await Promise.all(many.map((one) => watch.badges(one, keys)));
    expect(inboxes.mock.calls.map(([users]) => users.length)).toEqual([1_000, 1_000, 500]);
    await Promise.all(iterators.map((updates) => updates.next()));

    inboxes.mockClear();
    pubSub.lose = true;
    await arrive(user);
    await watch.resync();
    expect(inboxes).toHaveBeenCalledTimes(3);
    expect((await iterators[0]?.next())?.value).toMatchObject({ cause: 'RESYNCED', badge: { version: 1 } });

    inboxes.mockClear();
    await Promise.all(iterators.map((updates) => updates.return?.()));
    await watch.resync();
    expect(inboxes).not.toHaveBeenCalled();
  });
});

function defer() {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
