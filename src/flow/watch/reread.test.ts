import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { itemsKey } from '../../domain/badge.ts';
import { AppError } from '../../domain/error.ts';
import { dayMs } from '../../domain/page-view.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import { createTestClock, itemViewed, recordsOf } from '../../testing/event.ts';
import { observed } from '../../testing/faults.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createItems } from '../act/items.ts';
import { createProject } from '../apply/project.ts';
import { createRead } from '../read/read.ts';
import { type BadgeUpdate, createWatch } from './watch.ts';

const waiting = { timeout: 10_000, interval: 5 };
const hourMs = 3_600_000;
const retentionDays = 183;

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  vi.restoreAllMocks();
});

let collections = 0;
let offsets = 0;

/** Creates a collection for one test, and two watching processes that both receive the messages. */
function build({ store = storage.store, resyncMs = hourMs }: { store?: Store; resyncMs?: number } = {}) {
  const key = { tenantId: 'default', collection: `collection-${++collections}` };
  const clock = createTestClock();
  const pubSub = observed(createLocalPubSub());
  const deps = { store: storage.store, pubSub, clock, logger: silent };
  const items = createItems(deps, { retentionDays });
  const project = createProject(deps, { retentionDays });
  const watches = [store, storage.store].map((watched) =>
    createWatch({ read: createRead({ store: watched, clock }), pubSub, clock, logger: silent }, { resyncMs }),
  );
  stops.push(...watches.map(({ stop }) => stop));
  return {
    key,
    clock,
    pubSub,
    publish: (...ids: readonly string[]) =>
      items.publish(
        key,
        ids.map((itemId) => ({ itemId })),
      ),
    view: (userId: string, itemId: string) =>
      project.apply(
        recordsOf(
          [itemViewed({ userId, data: { collection: key.collection, itemIds: [itemId] } })],
          ++offsets,
        ),
      ),
    /** Watches the collection in the given process. Returns the updates after the snapshot. */
    async watch(userId: string, process = 0): Promise<readonly BadgeUpdate[]> {
      const user = { tenantId: 'default', userId };
      const watched = ['notifications', itemsKey(key.collection)];
      const updates = await watches[process]?.badges(user, watched);
      const seen: BadgeUpdate[] = [];
      if (!updates) return seen;
      expect((await updates.next()).value).toMatchObject({ kind: 'SNAPSHOT', badge: { version: 0 } });
      expect((await updates.next()).value).toMatchObject({ kind: 'SNAPSHOT', badge: { key: watched[1] } });
      void (async () => {
        for await (const update of updates) seen.push(update);
      })();
      return seen;
    },
  };
}

describe('an item that is published', () => {
  it('changes the badge of all watchers in every process, and a view changes only the badge of its user', async () => {
    const { watch, publish, view } = build();
    const [alice, alicesPhone, bob] = [await watch('alice'), await watch('alice', 1), await watch('bob', 1)];
    await publish('a', 'b');
    const published = { kind: 'CHANGE', cause: 'PUBLISHED', badge: { unseen: 2, version: 1 } };
    for (const seen of [alice, alicesPhone, bob])
      await vi.waitFor(() => expect(seen).toMatchObject([published]), waiting);
    await view('alice', 'a');
    const viewed = { kind: 'CHANGE', cause: 'VIEWED', badge: { userId: 'alice', unseen: 1, version: 2 } };
    for (const seen of [alice, alicesPhone])
      await vi.waitFor(() => expect(seen).toMatchObject([published, viewed]), waiting);
    expect(bob).toHaveLength(1);
  });

  it('needs the same number of statements and messages for a thousand watchers as for one', async () => {
    async function cost(users: number) {
      const { watch, publish, pubSub } = build();
      const seen = await Promise.all(Array.from({ length: users }, (_, n) => watch(`user-${n}`)));
      const statements = vi.spyOn(pg.Client.prototype, 'query');
      await publish('a');
      await vi.waitFor(() => expect(seen.every(({ length }) => length === 1)).toBe(true), waiting);
      const cost = { statements: statements.mock.calls.length, messages: pubSub.published.length };
      statements.mockRestore();
      return cost;
    }
    const forOne = await cost(1);
    // The statements are BEGIN, create, lock and read the items, save the items and the collection, COMMIT,
    // and one read for all watchers.
    expect(forOne).toEqual({ statements: 8, messages: 1 });
    expect(await cost(1_000)).toEqual(forOne);
  });

  it('causes one read per thousand watchers, even if more items are published in the meantime', async () => {
    const reads: number[] = [];
    const store: Store = {
      ...storage.store,
      itemBadges(keys, horizon) {
        reads.push(keys.length);
        return storage.store.itemBadges(keys, horizon);
      },
    };
    const { watch, publish, pubSub } = build({ store });
    const seen = await Promise.all(Array.from({ length: 2_500 }, (_, n) => watch(`user-${n}`)));
    reads.length = 0;
    pubSub.lose = true;
    for (const id of ['a', 'b', 'c', 'd', 'e']) await publish(id);
    // The messages arrive together, as after concurrent calls. The last message arrives before the first
    // message is handled.
    pubSub.lose = false;
    await pubSub.publish(pubSub.published.splice(0));
    const isDone = () => seen.every((updates) => updates.at(-1)?.badge.unseen === 5);
    await vi.waitFor(() => expect(isDone()).toBe(true), waiting);
    expect(reads).toEqual([1_000, 1_000, 500]);
    expect(seen.every(({ length }) => length === 1)).toBe(true);
  });

  it('causes another read if it is published during a read', async () => {
    let release = () => {};
    let reads = 0;
    const { watch, publish } = build({
      store: {
        ...storage.store,
        async itemBadges(keys, horizon) {
          const badges = await storage.store.itemBadges(keys, horizon);
          reads += 1;
          // The first read is the snapshot.
          if (reads === 2) {
            await new Promise<void>((resolve) => {
              release = resolve;
            });
          }
          return badges;
        },
      },
    });
    const seen = await watch('alice');
    await publish('a');
    await vi.waitFor(() => expect(reads).toBe(2), waiting);
    await publish('b');
    release();
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ badge: { unseen: 2 } }), waiting);
  });

  it('changes the badge of watchers even if the first read fails or the message is lost', async () => {
    let failures = 0;
    const away: Store = {
      ...storage.store,
      async itemBadges(keys, horizon) {
        const isSnapshot = failures === 0 && !isPublished;
        if (!isSnapshot && failures++ < 1) throw new AppError('UNAVAILABLE');
        return storage.store.itemBadges(keys, horizon);
      },
    };
    let isPublished = false;
    const { watch, publish, pubSub } = build({ store: away });
    const seen = await watch('alice');
    isPublished = true;
    await publish('a');
    await vi.waitFor(
      () => expect(seen).toMatchObject([{ cause: 'RESYNCED', badge: { unseen: 1 } }]),
      waiting,
    );
    expect(failures).toBeGreaterThan(1);
    pubSub.lose = true;
    await publish('b');
    pubSub.gap();
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ badge: { unseen: 2 } }), waiting);
  });
});

describe('a read that takes too long', () => {
  it('is split into parts, and a badge that cannot be read delays no other badge', async () => {
    const reads: number[] = [];
    const store: Store = {
      ...storage.store,
      itemBadges(keys, horizon) {
        reads.push(keys.length);
        if (keys.length > 10 || (isPublished && keys.some(({ userId }) => userId === 'user-7')))
          throw new AppError('UNAVAILABLE', 'It took too long.', { tookTooLong: true });
        return storage.store.itemBadges(keys, horizon);
      },
    };
    let isPublished = false;
    const { watch, publish } = build({ store });
    const seen: (readonly BadgeUpdate[])[] = [];
    for (let n = 0; n < 30; n += 1) seen.push(await watch(`user-${n}`));
    isPublished = true;
    reads.length = 0;
    await publish('a');
    const others = seen.filter((_, n) => n !== 7);
    const isDone = () => others.every((updates) => updates.at(-1)?.badge.unseen === 1);
    await vi.waitFor(() => expect(isDone()).toBe(true), waiting);
    expect(reads.slice(0, 14)).toEqual([30, 3, 3, 3, 1, 1, 1, 3, 3, 3, 3, 3, 3, 3]);
  });
});

describe('an item that becomes older than the horizon', () => {
  it('is no longer counted in a watched badge after the next resync', async () => {
    const { watch, publish, clock } = build({ resyncMs: 100 });
    await publish('a');
    const seen = await watch('alice');
    clock.set(new Date(clock.now().getTime() + 184 * dayMs));
    await vi.waitFor(
      () => expect(seen).toMatchObject([{ cause: 'RESYNCED', badge: { unseen: 0, version: 2 } }]),
      waiting,
    );
  });
});
