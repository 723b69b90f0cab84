import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPostgresStore } from '../../adapters/postgres/store.ts';
import { isRetriable } from '../../domain/error.ts';
import { horizonAt } from '../../domain/item.ts';
import { dayMs } from '../../domain/page-view.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { Store } from '../../ports/store/store.ts';
import { testNow } from '../../testing/event.ts';
import { awayFor, withTransactions } from '../../testing/faults.ts';
import { createTestCollection, viewHorizonDays } from '../../testing/item.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

/**
 * Actions on a collection of four items that two users watch, with the number of database failures during
 * each action.
 */
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

/**
 * A model with the same behavior as the store in a few lines. The model computes each count from all items
 * and views.
 */
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
    /** The ids of the unseen items, sorted. */
    unseen: (userId: string) =>
      [...items]
        .filter(
          ([itemId, { publishedAt, viewsFrom, isRetracted }]) =>
            !isRetracted &&
            publishedAt >= ago(viewHorizonDays) &&
            (views.get(userId + itemId) ?? Number.NEGATIVE_INFINITY) < viewsFrom,
        )
        .map(([itemId]) => itemId)
        .sort(),
  };
}

/** Repeats the work until it succeeds, like a caller that receives UNAVAILABLE. */
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

describe('a collection after any sequence of actions', () => {
  async function holds(store: Store, numRuns: number): Promise<void> {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { minLength: 1, maxLength: 25 }), async (happenings) => {
        const { writersOn, recordsOfView, badge, clock, key, pass, read } = createTestCollection(store);
        const model = createModel(clock.now);
        const applied: (readonly LogRecord[])[] = [];
        const last = new Map([
          ['alice', await badge('alice')],
          ['bob', await badge('bob')],
        ]);
        const moment = (back: number) => new Date(clock.now().getTime() - back * dayMs);
        for (const one of happenings) {
          // Every second failure comes after the commit, so the retry repeats work that is already committed.
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
            const members = model.unseen(userId);
            expect(after.unseen).toBe(members.length);
            const { rows: explained } = await read.unseenItems({ ...key, userId }, { first: 100 });
            expect(explained.map(({ itemId }) => itemId).sort()).toEqual(members);
            expect(after.version).toBeGreaterThanOrEqual(before.version);
            if (after.unseen !== before.unseen) expect(after.version).toBeGreaterThan(before.version);
            last.set(userId, after);
          }
        }
      }),
      { numRuns },
    );
  }

  it('has the badge that the model computes, and its version increases whenever the count changes', async () => {
    await holds(storage.store, 60);
  });

  it('fails the check above if versions do not increase or time does not pass (controls)', async () => {
    const unversioned = withTransactions(storage.store, () => ({ saveCollection: async () => {} }));
    await expect(holds(unversioned, 60)).rejects.toThrow('Property failed');
    const timeless: Store = {
      ...storage.store,
      itemBadges: (keys) => storage.store.itemBadges(keys, horizonAt(testNow, viewHorizonDays)),
    };
    await expect(holds(timeless, 60)).rejects.toThrow('Property failed');
  });

  it('never has one version for two counts, nor an older version after a newer version, during concurrent actions', async () => {
    const { publish, retract, view, key, clock } = createTestCollection(storage.store);
    const stores = [storage.store, createPostgresStore(storage.connectAgain())];
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
