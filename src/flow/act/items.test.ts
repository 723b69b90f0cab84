import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresStore } from '../../adapters/postgres/store.ts';
import { readConfig } from '../../config/config.ts';
import { itemsKey } from '../../domain/badge.ts';
import { horizonAt, maxEarlyViews } from '../../domain/item.ts';
import { dayMs } from '../../domain/page-view.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { Store } from '../../ports/store/store.ts';
import { rowCounts } from '../../testing/bad-input.ts';
import { testNow } from '../../testing/event.ts';
import { observed, withTransactions } from '../../testing/faults.ts';
import { createTestCollection, retentionDays, viewHorizonDays } from '../../testing/item.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { expireAll } from '../background/sweep.ts';
import { badgeTopic, parseMove } from '../deliver/publish.ts';

const waiting = { timeout: 10_000, interval: 20 };

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());
afterEach(() => void vi.restoreAllMocks());

const build = ({ store = storage.store, pubSub }: { store?: Store; pubSub?: PubSub } = {}) =>
  createTestCollection(store, pubSub);

describe('an item badge', () => {
  it('counts items that are published, not retracted and not viewed, even for users who do not exist', async () => {
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

  it('counts an item as viewed if the view came before the publication', async () => {
    const { publish, view, badge } = build();
    await view('alice', 'a');
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 0 });
    await publish('a', 'b');
    expect(await badge('alice')).toMatchObject({ unseen: 1, version: 1 });
    await view('alice', 'c');
    await publish('c');
    expect(await badge('alice')).toMatchObject({ unseen: 1, version: 3 });
  });

  it('does not change for new titles, repeated calls and repeated views', async () => {
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

  it('counts only the items of its tenant and collection', async () => {
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

  it('needs one row and the same statements for a hundred thousand users as for none when items change', async () => {
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

  it('needs one statement for any number of users and collections that are read together', async () => {
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

describe('an item badge as time passes', () => {
  it('stops counting items that were published before the horizon, and gets a new version', async () => {
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

  it('gets one new version, even if many readers find an outdated count at the same time', async () => {
    const { publish, badge, pass, key, clock } = build();
    await publish('a', 'b');
    pass(11);
    const stores = [storage.connectAgain(), storage.connectAgain()].map((database) =>
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

  it('counts a viewed item as viewed for as long as the item can count', async () => {
    const { items, key, view, badge, pass } = build();
    await view('alice', 'a');
    pass(9);
    await items.publish(key, [{ itemId: 'a' }]);
    pass(9);
    expect(await badge('alice')).toMatchObject({ unseen: 0 });
  });

  it('counts an item again if its view was older than the horizon when it was published again', async () => {
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

  it('loses only the views that cannot count again', async () => {
    const { publish, view, badge, pass, clock, key } = build();
    const viewed = async () =>
      (await storage.query('SELECT FROM item_view WHERE collection = $1', [key.collection])).length;
    const { retention } = readConfig({ VIEW_HORIZON_DAYS: String(viewHorizonDays) });
    await view('alice', 'a');
    pass(9);
    await view('alice', 'b');
    await publish('a', 'b');
    const pruneAt = async (days: number) => {
      pass(days);
      const before = await badge('alice');
      await expireAll({ store: storage.store, clock }, retention, { dryRun: false });
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

describe('views of items that are not published', () => {
  const names = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
  const rowsOf = async (table: string, { collection }: { readonly collection: string }) =>
    (await storage.query(`SELECT FROM ${table} WHERE collection = $1`, [collection])).length;

  it('are stored up to the limit per user, and count when their items are published', async () => {
    const { publish, view, badge, project, key } = build();
    await publish('known');
    await view('alice', ...names('a', 500));
    await view('alice', ...names('b', 499));
    // Repeated views of unpublished items and views of published items do not count toward the limit.
    await view('alice', ...names('b', 499), 'known');
    await view('alice', 'c', 'd');
    expect(project.unkeptViews()).toBe(1);
    await view('bob', 'd');
    expect(await rowsOf('early_item_view', key)).toBe(maxEarlyViews + 1);
    await publish('a-0', 'b-498', 'c', 'd');
    expect(await badge('alice')).toMatchObject({ unseen: 1 });
    expect(await badge('bob')).toMatchObject({ unseen: 4 });
  });

  it('leave no row if their collection does not exist when the sweep removes them', async () => {
    const { view, badge, key } = build();
    await view('alice', 'a', 'b');
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 0 });
    expect(await storage.store.expire('earlyItemViews', testNow, { dryRun: false })).toBe(0);
    const later = new Date(testNow.getTime() + 1);
    expect(await storage.store.expire('earlyItemViews', later, { dryRun: true })).toBeGreaterThanOrEqual(2);
    await storage.store.expire('earlyItemViews', later, { dryRun: false });
    for (const table of ['item_view', 'early_item_view', 'item_viewer', 'item_collection'])
      expect(await rowsOf(table, key)).toBe(0);
  });

  it('are removed by the sweep, except the views of items that were published before the sweep', async () => {
    const { publish, view, badge, key } = build();
    await view('alice', 'a', 'b');
    await publish('a');
    const before = await badge('alice');
    await storage.store.expire('earlyItemViews', new Date(testNow.getTime() + 1), { dryRun: false });
    expect(await rowsOf('item_view', key)).toBe(1);
    expect(await rowsOf('early_item_view', key)).toBe(0);
    const after = await badge('alice');
    expect(after.unseen).toBe(0);
    // Another transaction may publish b at this moment, so the version increases.
    expect(after.version).toBe(before.version + 1);
    await publish('b');
    expect(await badge('alice')).toMatchObject({ unseen: 1 });
  });

  it('delay the creation of a collection until the transaction that adds the views is committed', async () => {
    const locks = async () =>
      (
        await storage.query<{ granted: boolean }>(
          `SELECT granted FROM pg_locks JOIN pg_database ON pg_database.oid = database
           WHERE locktype = 'advisory' AND classid = $1 AND datname = current_database()`,
          [0x756e7363],
        )
      )
        .map(({ granted }) => granted)
        .toSorted();
    const { publish, view, badge } = build();
    const holder = await storage.connectAgain().pool.connect();
    await holder.query('BEGIN; LOCK TABLE item_view IN EXCLUSIVE MODE');
    const viewing = view('alice', 'a');
    await vi.waitFor(async () => expect(await locks()).toEqual([true]), waiting);
    const publishing = publish('a');
    await vi.waitFor(async () => expect(await locks()).toEqual([false, true]), waiting);
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 0 });
    await holder.query('COMMIT');
    holder.release();
    await Promise.all([viewing, publishing]);
    expect(await badge('alice')).toMatchObject({ unseen: 0, version: 1 });
  });
});

describe('the message after a change of items', () => {
  it('is sent to all watchers of the collection after items are published or retracted, but not if nothing changed', async () => {
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

  it('is sent to the watchers of the user after a view, without a count, and again if the view is applied again', async () => {
    const pubSub = observed(createLocalPubSub());
    const { publish, project, recordsOfView, key } = build({ pubSub });
    await publish('a', 'b');
    pubSub.published.length = 0;
    const records = recordsOfView('alice', ['a']);
    await project.apply(records);
    await project.apply(records);
    const topic = badgeTopic({ tenantId: key.tenantId, userId: 'alice' }, itemsKey(key.collection));
    const value = JSON.stringify({ key: itemsKey(key.collection), cause: 'VIEWED' });
    expect(pubSub.published).toEqual([
      { topic, value },
      { topic, value },
    ]);
  });

  it('is sent to the watchers of the user after a view, and the worker counts no items', async () => {
    const uncounted: Store = { ...storage.store, itemBadges: () => Promise.reject(new Error('counted')) };
    const pubSub = observed(createLocalPubSub());
    const { publish, project, recordsOfView } = build({ pubSub, store: uncounted });
    await publish('a');
    const views = ['alice', 'bob', 'alice'].flatMap((userId) => recordsOfView(userId, ['a']));
    await project.apply(views);
    expect(pubSub.published.slice(1).map(({ topic }) => topic.split('\n')[0])).toEqual([
      'badge:default/alice',
      'badge:default/bob',
    ]);
  });

  it('is not sent if the transaction fails, and the change remains if the message cannot be sent', async () => {
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
  it('retracts the items that exist, and returns a problem for each other item', async () => {
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
  it('create their user, and are skipped if they are older than the retention', async () => {
    const { publish, project, recordsOfView, badge } = build();
    await publish('a');
    const old = new Date(testNow.getTime() - (retentionDays + 1) * dayMs);
    await project.apply(recordsOfView('somebody-new', ['a'], old));
    expect(await badge('somebody-new')).toMatchObject({ unseen: 1, version: 1 });
    expect(await storage.store.users([{ tenantId: 'default', userId: 'somebody-new' }])).toHaveLength(1);
  });
});
