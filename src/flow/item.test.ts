import fc from 'fast-check';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../adapters/local/pub-sub.ts';
import { createPostgresStore } from '../adapters/postgres/store.ts';
import { itemsKey } from '../domain/badge.ts';
import { isRetriable } from '../domain/error.ts';
import { type CollectionKey, horizonAt } from '../domain/item.ts';
import { dayMs } from '../domain/page-view.ts';
import type { LogRecord } from '../ports/event-log.ts';
import { silent } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';
import type { Store } from '../ports/store.ts';
import { rowCounts } from '../testing/bad-input.ts';
import { createTestClock, itemViewed, recordsOf, testNow } from '../testing/event.ts';
import { awayFor, observed, withTransactions } from '../testing/faults.ts';
import { openTestStorage, type TestStorage } from '../testing/storage.ts';
import { createItems } from './item.ts';
import { createProject } from './project.ts';
import { parseBadgeMessage, parseMove } from './publish.ts';
import { createRead } from './read.ts';
import { createSweep } from './sweep.ts';

const retentionDays = 30;
const viewHorizonDays = 10;

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());
afterEach(() => void vi.restoreAllMocks());

let collections = 0;
let offsets = 0;

/** A collection no other test has, and everything around it. */
function build({
  store = storage.store,
  pubSub = createLocalPubSub(),
}: {
  store?: Store;
  pubSub?: PubSub;
} = {}) {
  const key: CollectionKey = { tenantId: 'default', collection: `collection-${++collections}` };
  const clock = createTestClock();
  const writersOn = (store: Store) => {
    const deps = { store, pubSub, clock, logger: silent };
    const options = { retentionDays, viewHorizonDays };
    return { items: createItems(deps, options), project: createProject(deps, options) };
  };
  const { items, project } = writersOn(store);
  const read = createRead({ store, clock }, { viewHorizonDays });
  const recordsOfView = (
    userId: string,
    itemIds: readonly string[],
    occurredAt = clock.now(),
  ): readonly LogRecord[] =>
    recordsOf(
      [itemViewed({ userId, occurredAt, data: { collection: key.collection, itemIds: [...itemIds] } })],
      ++offsets,
    );
  return {
    key,
    clock,
    items,
    project,
    writersOn,
    read,
    recordsOfView,
    publish: (...ids: readonly string[]) =>
      items.publish(
        key,
        ids.map((itemId) => ({ itemId })),
      ),
    retract: (...ids: readonly string[]) => items.retract(key, ids),
    view: (userId: string, ...ids: readonly string[]) => project.apply(recordsOfView(userId, ids)),
    badge: (userId: string) =>
      read.currentBadge({ tenantId: key.tenantId, userId }, itemsKey(key.collection)),
    /** Goes by the clock of the test. */
    pass: (days: number) => clock.set(new Date(clock.now().getTime() + days * dayMs)),
  };
}

describe('an item badge', () => {
  it('counts what is published, not retracted and not viewed, for users of whom nothing is known too', async () => {
    const { publish, retract, view, badge, key } = build();
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 0 });
    await publish('a', 'b', 'c');
    const both = { key: itemsKey(key.collection), unseen: 3, unread: 3, version: 1, asOf: testNow };
    expect(await badge('alice')).toEqual({ tenantId: 'default', userId: 'alice', ...both });
    await view('alice', 'a', 'b');
    expect(await badge('alice')).toMatchObject({ unseen: 1, version: 2 });
    expect(await badge('bob')).toMatchObject({ unseen: 3, version: 1 });
    await retract('b', 'c');
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 3 });
    expect(await badge('bob')).toMatchObject({ unseen: 1, version: 2 });
  });

  it('counts an item as viewed that is published only after the view', async () => {
    const { publish, view, badge } = build();
    await view('alice', 'a');
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 1 });
    await publish('a', 'b');
    expect(await badge('alice')).toMatchObject({ unseen: 1, version: 2 });
  });

  it('is not moved by what changes nothing: titles, repeats, second views', async () => {
    const { publish, retract, view, badge } = build();
    await publish('a', 'b');
    await view('alice', 'a');
    await retract('b');
    const before = await badge('alice');
    await publish('a');
    await retract('b');
    await view('alice', 'a');
    expect(await badge('alice')).toEqual(before);
  });

  it('keeps tenants and collections apart', async () => {
    const one = build();
    const other = build();
    await one.publish('a');
    await other.publish('a', 'b');
    await one.view('alice', 'a');
    expect(await one.badge('alice')).toMatchObject({ unseen: 0 });
    expect(await other.badge('alice')).toMatchObject({ unseen: 2 });
    const elsewhere = { tenantId: 'other', userId: 'alice' };
    expect(await one.read.badge(elsewhere, itemsKey(one.key.collection))).toMatchObject({
      unseen: 0,
      version: 0,
    });
  });

  it('of a hundred thousand users costs one row and the same statements as of none', async () => {
    const { publish } = build();
    await publish('to make the collection');
    async function cost(item: string) {
      const before = await rowCounts(storage.connection.connectionString);
      const statements = vi.spyOn(pg.Client.prototype, 'query');
      await publish(item);
      const count = statements.mock.calls.length;
      statements.mockRestore();
      const after = await rowCounts(storage.connection.connectionString);
      const rows = Object.entries(after).flatMap(([table, rows]) =>
        rows === before[table] ? [] : [[table, rows - (before[table] ?? 0)]],
      );
      return { statements: count, rows: Object.fromEntries(rows) };
    }
    const forNobody = await cost('a');
    expect(forNobody).toEqual({ statements: 7, rows: { item: 1 } });
    await storage.query(`
      INSERT INTO app_user (tenant_id, user_id, created_at)
      SELECT 'default', 'one-of-many-' || n, now() FROM generate_series(1, 100000) AS n`);
    expect(await cost('b')).toEqual(forNobody);
  });

  it('costs one statement, however many users and collections are read together', async () => {
    const builds = [build(), build(), build()];
    for (const { publish } of builds) await publish('a', 'b');
    const statements = vi.spyOn(pg.Client.prototype, 'query');
    const { read } = builds[0] as (typeof builds)[0];
    const badges = await Promise.all(
      builds.flatMap(({ key }) =>
        Array.from({ length: 300 }, (_, n) =>
          read.badge({ tenantId: 'default', userId: `user-${n}` }, itemsKey(key.collection)),
        ),
      ),
    );
    expect(statements).toHaveBeenCalledTimes(1);
    expect(new Set(badges.map(({ unseen, version }) => `${unseen} ${version}`))).toEqual(new Set(['2 1']));
  });
});

describe('time', () => {
  it('takes what was published before the horizon out of the count, with a version of its own', async () => {
    const { publish, badge, pass } = build();
    await publish('a');
    pass(4);
    await publish('b');
    pass(6);
    expect(await badge('alice')).toMatchObject({ unseen: 2, version: 2 });
    pass(0.1);
    expect(await badge('alice')).toMatchObject({ unseen: 1, version: 3 });
    expect(await badge('bob')).toMatchObject({ unseen: 1, version: 3 });
    pass(20);
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 4 });
  });

  it('changes the version once, however many notice at the same time', async () => {
    const { publish, badge, pass, key, clock } = build();
    await publish('a', 'b');
    pass(11);
    const stores = [storage.connectAnew(), storage.connectAnew()].map((database) =>
      createPostgresStore(database),
    );
    const horizon = horizonAt(clock.now(), viewHorizonDays);
    const read = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        stores[n % 2]?.itemBadges([{ ...key, userId: `user-${n}` }], horizon),
      ),
    );
    for (const badges of read) expect(badges).toMatchObject([{ unseen: 0, version: 2 }]);
    expect(await badge('alice')).toMatchObject({ version: 2 });
  });

  it('does not bring back what a view has taken out, for as long as its item counts', async () => {
    const { items, key, view, badge, pass } = build();
    await view('alice', 'a');
    pass(9);
    await items.publish(key, [{ itemId: 'a' }]);
    pass(9);
    expect(await badge('alice')).toMatchObject({ unseen: 0 });
  });

  it('lets views expire that were older than the horizon when the item was published again', async () => {
    const { publish, retract, view, badge, pass } = build();
    await publish('a');
    await view('alice', 'a');
    await retract('a');
    pass(11);
    await publish('a');
    expect(await badge('alice')).toMatchObject({ unseen: 1 });
    await view('alice', 'a');
    expect(await badge('alice')).toMatchObject({ unseen: 0 });
  });

  it('has views removed that count no more, and no others', async () => {
    const { publish, view, badge, pass, clock, key } = build();
    const viewed = async () =>
      (await storage.query('SELECT FROM item_view WHERE collection = $1', [key.collection])).length;
    const noLog = { prune: async () => 0 } as never;
    const sweep = createSweep(
      { store: storage.store, log: noLog, clock, logger: silent },
      { logRetentionDays: 7, viewHorizonDays },
    );
    await view('alice', 'a');
    pass(9);
    await view('alice', 'b');
    await publish('a', 'b');
    const pruneAt = async (days: number) => {
      pass(days);
      const before = await badge('alice');
      const pruning = vi.spyOn(storage.store, 'pruneItemViews');
      await sweep.start();
      await vi.waitFor(async () => expect(await pruning.mock.results.at(-1)?.value).toBe(0));
      sweep.stop();
      pruning.mockRestore();
      expect(await badge('alice')).toEqual(before);
    };
    await pruneAt(10);
    expect(await viewed()).toBe(2);
    await pruneAt(3);
    expect(await viewed()).toBe(1);
    await pruneAt(8);
    expect(await viewed()).toBe(1);
    await pruneAt(2);
    expect(await viewed()).toBe(0);
  });
});

/** What can happen to a collection of four items that two users watch; how often the database goes away meanwhile. */
const id = fc.constantFrom('a', 'b', 'c', 'd');
const ids = fc.uniqueArray(id, { minLength: 1, maxLength: 3 });
const daysBack = fc.integer({ min: 0, max: 48 }).map((quarters) => quarters / 4);
const userId = fc.constantFrom('alice', 'bob');
const what = <Name extends string>(name: Name) => fc.constant(name);
const failures = fc.nat(2);
const happening = fc.oneof(
  fc.record({ what: what('publish'), ids, daysBack, failures }),
  fc.record({ what: what('retract'), ids, failures }),
  fc.record({ what: what('view'), userId, ids, daysBack, failures, isTwice: fc.boolean() }),
  fc.record({ what: what('replay'), nth: fc.nat(), failures }),
  fc.record({ what: what('erase'), userId, failures }),
  fc.record({ what: what('pass'), days: fc.integer({ min: 1, max: 24 }).map((n) => n / 4) }),
);

/** The same in a few lines: what counts is looked at anew each time. */
function createModel(now: () => Date) {
  const items = new Map<string, { publishedAt: number; viewsFrom: number; isRetracted: boolean }>();
  const views = new Map<string, number>();
  const ago = (days: number) => now().getTime() - days * dayMs;
  return {
    publish(itemId: string, back: number) {
      if (items.get(itemId)?.isRetracted === false) return;
      items.set(itemId, { publishedAt: ago(back), viewsFrom: ago(viewHorizonDays), isRetracted: false });
    },
    retract(itemId: string) {
      const item = items.get(itemId);
      if (item) item.isRetracted = true;
    },
    view(userId: string, itemId: string, back: number) {
      const before = views.get(userId + itemId) ?? Number.NEGATIVE_INFINITY;
      if (before < ago(viewHorizonDays)) views.set(userId + itemId, Math.max(before, ago(back)));
    },
    erase(userId: string) {
      for (const viewed of views.keys()) if (viewed.startsWith(userId)) views.delete(viewed);
    },
    unseen: (userId: string) =>
      [...items].filter(
        ([itemId, { publishedAt, viewsFrom, isRetracted }]) =>
          !isRetracted &&
          publishedAt >= ago(viewHorizonDays) &&
          (views.get(userId + itemId) ?? Number.NEGATIVE_INFINITY) < viewsFrom,
      ).length,
  };
}

/** Again and again, as whoever is told that it is unknown whether it was done. */
async function untilDone(work: () => Promise<unknown>): Promise<void> {
  for (let isDone = false; !isDone; ) {
    isDone = await work().then(
      () => true,
      (error) => {
        if (!isRetriable(error)) throw error;
        return false;
      },
    );
  }
}

describe('whatever happens to a collection', () => {
  async function holds(store: Store, numRuns: number): Promise<void> {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { minLength: 1, maxLength: 25 }), async (happenings) => {
        const { writersOn, recordsOfView, badge, clock, key, pass } = build({ store });
        const model = createModel(clock.now);
        const applied: (readonly LogRecord[])[] = [];
        const last = new Map([
          ['alice', await badge('alice')],
          ['bob', await badge('bob')],
        ]);
        const moment = (back: number) => new Date(clock.now().getTime() - back * dayMs);
        for (const one of happenings) {
          // Every other failure comes after the commit: then it is done, and done again.
          const away = awayFor(store, 'failures' in one ? one.failures : 0);
          const { items, project } = writersOn(away);
          switch (one.what) {
            case 'publish': {
              const publishedAt = moment(one.daysBack);
              const drafts = one.ids.map((itemId) => ({ itemId, publishedAt }));
              await untilDone(() => items.publish(key, drafts));
              for (const itemId of one.ids) model.publish(itemId, one.daysBack);
              break;
            }
            case 'retract':
              await untilDone(() => items.retract(key, one.ids));
              one.ids.forEach(model.retract);
              break;
            case 'view': {
              const [record] = recordsOfView(one.userId, one.ids, moment(one.daysBack));
              const records = record ? (one.isTwice ? [record, record] : [record]) : [];
              applied.push(records);
              await untilDone(() => project.apply(records));
              for (const itemId of one.ids) model.view(one.userId, itemId, one.daysBack);
              break;
            }
            case 'replay':
              await untilDone(() => project.apply(applied[one.nth % applied.length] ?? []));
              break;
            case 'erase': {
              const user = { tenantId: key.tenantId, userId: one.userId };
              await untilDone(() =>
                away.transaction((transaction) => transaction.forgetItemViews(user, clock.now())),
              );
              model.erase(one.userId);
              break;
            }
            case 'pass':
              pass(one.days);
              break;
            default:
              one satisfies never;
          }
          for (const [userId, before] of last) {
            const after = await badge(userId);
            expect(after.unseen).toBe(model.unseen(userId));
            expect(after.version).toBeGreaterThanOrEqual(before.version);
            if (after.unseen !== before.unseen) expect(after.version).toBeGreaterThan(before.version);
            last.set(userId, after);
          }
        }
      }),
      { numRuns },
    );
  }

  it('the badge is what a model counts, and its version grows, whenever the count changes', async () => {
    await holds(storage.store, 60);
  });

  it('which the check above notices when versions stand still, or time does (controls)', async () => {
    const unversioned = withTransactions(storage.store, () => ({ saveCollection: async () => {} }));
    await expect(holds(unversioned, 60)).rejects.toThrow('Property failed');
    const timeless: Store = {
      ...storage.store,
      itemBadges: (keys) => storage.store.itemBadges(keys, horizonAt(testNow, viewHorizonDays)),
    };
    await expect(holds(timeless, 60)).rejects.toThrow('Property failed');
  });

  it('no two counts of a user have the same version, and none comes after a newer one, whatever races', async () => {
    const { publish, retract, view, key, clock } = build();
    const stores = [storage.store, createPostgresStore(storage.connectAnew())];
    let writing = true;
    const counts = new Map<number, number>();
    const readers = stores.map(async (store) => {
      let newest = 0;
      let reads = 0;
      while (writing) {
        const horizon = horizonAt(clock.now(), viewHorizonDays);
        const [badge] = await store.itemBadges([{ ...key, userId: 'alice' }], horizon);
        if (!badge) continue;
        reads += 1;
        expect(badge.version).toBeGreaterThanOrEqual(newest);
        newest = badge.version;
        expect(counts.get(badge.version) ?? badge.unseen).toBe(badge.unseen);
        counts.set(badge.version, badge.unseen);
      }
      return reads;
    });
    const names = Array.from({ length: 40 }, (_, n) => `item-${n}`);
    await Promise.all([
      (async () => {
        for (const name of names) await publish(name);
        for (const name of names.slice(0, 20)) await retract(name);
      })(),
      (async () => {
        for (const name of names) await view('alice', name);
      })(),
      (async () => {
        for (let n = 0; n < 10; n += 1) await publish(`late-${n}`, `later-${n}`);
      })(),
    ]).finally(() => {
      writing = false;
    });
    expect(Math.min(...(await Promise.all(readers)))).toBeGreaterThan(5);
    expect(counts.size).toBeGreaterThan(10);
  });
});

describe('who is told', () => {
  it('of publishing and retracting is the collection, by one small message, and of what changes nothing nobody', async () => {
    const pubSub = observed(createLocalPubSub());
    const { publish, retract, key } = build({ pubSub });
    await publish('a', 'b');
    await publish('a');
    await retract('a');
    await retract('a');
    expect(pubSub.published.map(({ value }) => parseMove(value))).toEqual([
      { key: itemsKey(key.collection), cause: 'PUBLISHED' },
      { key: itemsKey(key.collection), cause: 'RETRACTED' },
    ]);
  });

  it('of a view is its user, by the whole state, also when it comes again', async () => {
    const pubSub = observed(createLocalPubSub());
    const { publish, project, recordsOfView } = build({ pubSub });
    await publish('a', 'b');
    pubSub.published.length = 0;
    const records = recordsOfView('alice', ['a']);
    await project.apply(records);
    await project.apply(records);
    const told = { cause: 'VIEWED', badge: { userId: 'alice', unseen: 1, version: 2 } };
    expect(pubSub.published.map(({ value }) => parseBadgeMessage(value))).toMatchObject([told, told]);
  });

  it('is nobody when the transaction fails, and nothing is undone when nobody can be told', async () => {
    const pubSub = observed(createLocalPubSub());
    const store = withTransactions(storage.store, () => ({
      saveCollection: () => Promise.reject(new Error('no')),
    }));
    await expect(build({ pubSub, store }).publish('a')).rejects.toThrow('no');
    expect(pubSub.published).toEqual([]);
    const deaf: PubSub = { ...pubSub, publish: () => Promise.reject(new Error('nobody there')) };
    const { publish, badge } = build({ pubSub: deaf });
    expect(await publish('a')).toMatchObject({ problems: [] });
    expect(await badge('alice')).toMatchObject({ unseen: 1 });
  });
});

describe('retracting', () => {
  it('does what it can and names what is not there', async () => {
    const { publish, retract, badge, key } = build();
    expect(await retract('a')).toMatchObject({ items: [], problems: [{ code: 'NOT_FOUND' }] });
    expect(
      await storage.query('SELECT FROM item_collection WHERE collection = $1', [key.collection]),
    ).toEqual([]);
    await publish('a', 'b');
    expect(await retract('x', 'b', 'a')).toMatchObject({
      items: [{ itemId: 'b' }, { itemId: 'a' }],
      problems: [{ code: 'NOT_FOUND', path: ['input', 'itemIds', '0'] }],
    });
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 2 });
  });
});

describe('views', () => {
  it('create their user, and are skipped when they are older than the retention', async () => {
    const { publish, project, recordsOfView, badge } = build();
    await publish('a');
    const old = new Date(testNow.getTime() - (retentionDays + 1) * dayMs);
    await project.apply(recordsOfView('somebody-new', ['a'], old));
    expect(await badge('somebody-new')).toMatchObject({ unseen: 1, version: 1 });
    expect(await storage.store.users([{ tenantId: 'default', userId: 'somebody-new' }])).toHaveLength(1);
  });
});
