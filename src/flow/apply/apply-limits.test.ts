import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import type { UserLimit } from '../../domain/limit.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import type { UserKey } from '../../domain/user.ts';
import type { LimitEventType } from '../../events/limit-event.ts';
import type { Fields } from '../../events/record.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { observed } from '../../testing/faults.ts';
import { historyOf, limitRecord, limitsOf, wireLimitEvent } from '../../testing/limit.ts';
import {
  limitFixture,
  limitFixtureCounts,
  limitFixtureTable,
  limitFixtureUsers,
  limitLine,
  shuffled,
} from '../../testing/limit-fixture.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createProject } from './project.ts';

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

const percents = [80, 100];
const limitThresholds: LimitThresholds = {
  BALANCE: percents,
  BET: percents,
  DEPOSIT: percents,
  LOSS: percents,
  SESSION: percents,
  UNKNOWN: percents,
};

let users = 0;
let offsets = 0;

/** Creates a user that no other test uses, and a projection for the limit events of this user. */
function someone(store: Store = storage.store) {
  const user: UserKey = { tenantId: 'default', userId: `user-${++users}` };
  const pubSub = observed(createLocalPubSub());
  const project = createProject(
    { store, pubSub, clock: createTestClock(), logger: silent },
    { retentionDays: 183, limitThresholds },
  );
  const records = (wires: readonly Fields[]) => wires.map((wire) => limitRecord(wire, ++offsets));
  return {
    user,
    pubSub,
    project,
    wire: (type: LimitEventType, sequence: number, payload: Fields = {}, fields: Fields = {}) =>
      wireLimitEvent(type, sequence, { ...payload, userId: user.userId }, fields),
    apply: (...wires: readonly Fields[]) => project.apply(records(wires)),
    async limits() {
      return (await limitsOf(storage.store, [user])).map(
        ({ version, updatedAt, userId, notifiedThreshold, ...limit }) => limit,
      );
    },
    async limit(): Promise<UserLimit | undefined> {
      return (await limitsOf(storage.store, [user]))[0];
    },
    async history() {
      const key = { ...user, userLimitId: 'limit-1' };
      return (await historyOf(storage.store, key)).map(
        ({ type, sequence, progressAfter }) => `${sequence} ${type} ${progressAfter}`,
      );
    },
    notifications: () => storage.store.notifications(user, { first: 100 }),
    async unseen() {
      return (await storage.store.inboxes([user]))[0]?.unseen;
    },
  };
}

describe('the stage of limits', () => {
  it('stores the exact amounts and times of events', async () => {
    const one = someone();
    await one.apply(
      one.wire('USER_LIMIT_RESET', 3),
      one.wire('USER_LIMIT_CREATED', 1, {
        activeUntil: testNow.getTime() + 1_000,
        previousLimitValue: '7.10',
      }),
      one.wire('USER_LIMIT_CREATED', 2, { value: '123456789012345678901234567.890', status: 'BRAND_NEW' }),
      one.wire('USER_LIMIT_PROGRESS_CHANGED', 5, { remainingAmount: '-3.5' }),
    );
    expect(await one.limit()).toMatchObject({
      brandId: 'brand-1',
      currencyCode: 'EUR',
      type: 'DEPOSIT',
      status: 'UNKNOWN',
      definition: { sequence: 2n, value: '123456789012345678901234567.890', statedPrevious: null },
      earlier: { sequence: 1n, value: '100.00' },
      change: { sequence: 5n, previousProgress: '0.00', amount: '10.00', remaining: '-3.5' },
      lastReset: { sequence: 3n, value: '100.00', at: new Date(testNow.getTime() + 3_000) },
      nextReset: { sequence: 5n },
      timeZone: 'UTC',
    });
    expect(await one.history()).toEqual([
      '5 USER_LIMIT_PROGRESS_CHANGED 10.00',
      '3 USER_LIMIT_RESET 0',
      '2 USER_LIMIT_CREATED 0',
      '1 USER_LIMIT_CREATED 0',
    ]);
    expect(one.project.limitDisagreements()).toBe(1);
  });

  it('stores the definitions that the progress depends on, for any source name', async () => {
    const one = someone();
    const sources = ['a,b', '"', '\\"', '(a)', "''", '{}', ' ', 'ü\u{1f600}'];
    await one.apply(
      ...sources.map((source, n) => one.wire('USER_LIMIT_CREATED', n + 1, { value: `${n}.50` }, { source })),
    );
    const limit = await one.limit();
    const older = sources.slice(0, -2).map((source, n) => ({
      sequence: BigInt(n + 1),
      value: `${n}.50`,
      event: expect.stringContaining(`${source}/`),
    }));
    expect(limit?.older).toEqual(older);
    await one.apply(one.wire('USER_LIMIT_PROGRESS_CHANGED', 4));
    expect((await one.limit())?.older).toEqual(older.slice(3));
    await one.apply(one.wire('USER_LIMIT_PROGRESS_CHANGED', 9));
    expect((await one.limit())?.older).toEqual([]);
  });

  it('computes the same history for any order of events, even if some amounts are totals', async () => {
    const used = (previousProgress: string, amount: string, remainingAmount: string) => ({
      previousProgress,
      amount,
      remainingAmount,
    });
    for (let round = 0; round < 25; round += 1) {
      const one = someone();
      const wires = [
        one.wire('USER_LIMIT_PROGRESS_CHANGED', 1, used('5', '20', '80')),
        one.wire('USER_LIMIT_CREATED', 2),
        one.wire('USER_LIMIT_PROGRESS_CHANGED', 3, used('10', '30', '70')),
        one.wire('USER_LIMIT_CREATED', 4, { value: '50' }),
        one.wire('USER_LIMIT_CREATED', 5, { value: '110' }),
        one.wire('USER_LIMIT_PROGRESS_CHANGED', 6, used('30', '45', '65')),
        one.wire('USER_LIMIT_RESET', 7),
        one.wire('USER_LIMIT_PROGRESS_CHANGED', 8, used('0', '5', '105')),
      ];
      const order = round === 0 ? wires : shuffled([...wires, ...wires]);
      for (let start = 0; start < order.length; start += 3) await one.apply(...order.slice(start, start + 3));
      expect(await one.history()).toEqual([
        '8 USER_LIMIT_PROGRESS_CHANGED 5',
        '7 USER_LIMIT_RESET 0',
        '6 USER_LIMIT_PROGRESS_CHANGED 45',
        '5 USER_LIMIT_CREATED 30',
        '4 USER_LIMIT_CREATED 30',
        '3 USER_LIMIT_PROGRESS_CHANGED 30',
        '2 USER_LIMIT_CREATED 25',
        '1 USER_LIMIT_PROGRESS_CHANGED 25',
      ]);
    }
  });

  it('stores special characters in names, and times of any year', async () => {
    const one = someone();
    const names = ['a,b', 'a b', '"', '""', '\\', '\\"', '(a)', "''", '{}', ',', ' ', 'ü\u{1f600}', 'NULL'];
    for (const [index, brandId] of names.entries()) {
      const activeFrom = Date.UTC(index === 0 ? 9999 : 1999, 11, 31, 23, 59, 59, index);
      const named = { userLimitId: `of ${brandId}`, brandId, currencyCode: `${brandId},`, activeFrom };
      await one.apply(one.wire('USER_LIMIT_CREATED', 1, named));
    }
    const [shown] = await storage.store.limits([one.user]);
    for (const limits of [shown?.limits ?? [], await limitsOf(storage.store, [one.user])]) {
      const found = new Map(limits.map((limit) => [limit.brandId, limit]));
      for (const [index, brandId] of names.entries()) {
        const { userLimitId, currencyCode, activeFrom, definition } = found.get(brandId) ?? {};
        expect([userLimitId, currencyCode]).toEqual([`of ${brandId}`, `${brandId},`]);
        expect(activeFrom?.getUTCFullYear()).toBe(index === 0 ? 9999 : 1999);
        expect(activeFrom?.getUTCMilliseconds()).toBe(index);
        expect(definition?.value).toBe('100.00');
      }
      expect(limits).toHaveLength(names.length);
    }
  });

  it('reaches the same state for any order and any batches of events, even if each event arrives twice', async () => {
    const story = someone();
    const wires = [
      story.wire('USER_LIMIT_CREATED', 1),
      story.wire('USER_LIMIT_PROGRESS_CHANGED', 2, { amount: '90.00' }),
      story.wire('USER_LIMIT_CREATED', 4, { value: '50.00' }),
      story.wire('USER_LIMIT_RESET', 7, { resetAmount: '90.00', unusedAmount: '-40.00' }),
      story.wire('USER_LIMIT_CREATED', 8, { value: '500.00', nextResetTime: null }),
      story.wire('USER_LIMIT_PROGRESS_CHANGED', 19, { amount: '0.01', nextResetTime: null }),
      story.wire('USER_LIMIT_RESET', 3, { userLimitId: 'never-created' }),
    ];
    await story.apply(...wires);
    const expected = [await story.limits(), await story.history()];
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray([...wires, ...wires], { minLength: 2 * wires.length }),
        fc.integer({ min: 1, max: 14 }),
        async (shuffled, batch) => {
          const one = someone();
          const own = shuffled.map((wire) => ({
            ...wire,
            aggregateId: one.user.userId,
            source: one.user.userId,
            payload: { ...(wire['payload'] as Fields), userId: one.user.userId },
          }));
          for (let start = 0; start < own.length; start += batch) {
            await one.apply(...own.slice(start, start + batch));
          }
          const limits = JSON.parse(text(await one.limits()).replaceAll(one.user.userId, 'limitUser'));
          expect([limits, await one.history()]).toEqual([JSON.parse(text(expected[0])), expected[1]]);
        },
      ),
      { numRuns: 60 },
    );
  });
  const text = (value: unknown) =>
    JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? String(part) : part));

  it('applies the events of the fixture twice in any order, with 1 dead letter', async () => {
    for (let round = 0; round < 20; round += 1) {
      const tenantId = `fixture-${round}`;
      const users = limitFixtureUsers.map((userId) => ({ tenantId, userId }));
      const records = (round === 0 ? limitFixture : shuffled([...limitFixture, ...limitFixture])).map(
        (wire) => ({
          ...limitRecord(wire, ++offsets),
          key: `${tenantId}/${wire['aggregateId']}`,
        }),
      );
      const { project } = someone();
      for (let start = 0; start < records.length; start += 9) {
        await project.apply(records.slice(start, start + 9));
      }
      const limits = await limitsOf(storage.store, users);
      expect(limits.map(limitLine)).toEqual(limitFixtureTable);
      const letters = await storage.query('SELECT DISTINCT payload FROM dead_letter WHERE tenant_id = $1', [
        tenantId,
      ]);
      expect(letters).toHaveLength(limitFixtureCounts.invalid);
      expect(project.ignoredRecords()).toBe(limitFixtureCounts.ignored * (round === 0 ? 1 : 2));
    }
  });

  it('reaches the same state if four workers apply all events at the same time in different orders', async () => {
    for (let round = 0; round < 10; round += 1) {
      const tenantId = `together-${round}`;
      const work = async () => {
        const { project } = someone();
        for (const wire of shuffled(limitFixture)) {
          const record = { ...limitRecord(wire, ++offsets), key: `${tenantId}/${wire['aggregateId']}` };
          await project.apply([record]);
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      const users = limitFixtureUsers.map((userId) => ({ tenantId, userId }));
      expect((await limitsOf(storage.store, users)).map(limitLine)).toEqual(limitFixtureTable);
    }
  });

  it('turns each unreadable event into a dead letter and applies the other events', async () => {
    const one = someone();
    const good = [one.wire('USER_LIMIT_CREATED', 1), one.wire('USER_LIMIT_PROGRESS_CHANGED', 2)] as const;
    const bad = one.wire('USER_LIMIT_PROGRESS_CHANGED', 3, { amount: 'twelve' });
    const foreign = one.wire('USER_LIMIT_CREATED', 9, {}, { type: 'LIMIT_USER_CREATED' });
    await one.apply(good[0], bad, foreign, good[1]);
    expect(await one.history()).toHaveLength(2);
    const letters = await storage.query<{ error_message: string }>(
      `SELECT error_message FROM dead_letter WHERE key = 'default/${one.user.userId}'`,
    );
    expect(letters).toEqual([{ error_message: expect.stringMatching(/^payload\.amount: must be digits/) }]);
    expect(one.project.ignoredRecords()).toBe(1);
  });
});

describe('a threshold', () => {
  it('notifies the user once, in the transaction of the progress, and again after a reset', async () => {
    const one = someone();
    const progress = (sequence: number, amount: string) =>
      one.wire('USER_LIMIT_PROGRESS_CHANGED', sequence, { amount, previousProgress: '0' });
    const all = [
      one.wire('USER_LIMIT_CREATED', 1),
      progress(2, '79.99'),
      progress(3, '80.00'),
      progress(4, '85.00'),
    ];
    await one.apply(...all.slice(0, 2));
    expect(await one.unseen()).toBe(0);
    await one.apply(all[2] as Fields);
    expect(await one.notifications()).toMatchObject([
      {
        category: 'limits',
        title: '80 % of your deposit limit is used',
        body: '80.00 of 100.00 EUR',
        subjectId: 'limit-1',
        data: { userLimitId: 'limit-1', percent: 80, progress: '80.00', value: '100.00' },
      },
    ]);
    expect(await one.unseen()).toBe(1);
    // Repeats the last event, then all events, and then all events again without the rows that record that
    // they were applied.
    await one.apply(all[2] as Fields, all[3] as Fields);
    await one.apply(...all);
    await storage.query('DELETE FROM processed_event');
    await one.apply(...all);
    expect(await one.unseen()).toBe(1);
    await one.apply(progress(5, '100'), progress(6, '101'));
    expect(await one.unseen()).toBe(2);
    await one.apply(one.wire('USER_LIMIT_RESET', 7), progress(8, '79'), progress(9, '120'));
    expect((await one.notifications()).map(({ title }) => title)).toEqual([
      'Your deposit limit is used up',
      'Your deposit limit is used up',
      '80 % of your deposit limit is used',
    ]);
    expect(await drift(storage.query)).toEqual([]);
  });

  it('notifies the user once if a reset has the same sequence number as the progress', async () => {
    const one = someone();
    const used = (sequence: number, previousProgress: string, amount: string) =>
      one.wire('USER_LIMIT_PROGRESS_CHANGED', sequence, { previousProgress, amount });
    const reset = one.wire('USER_LIMIT_RESET', 2, {}, { source: 'a' });
    await one.apply(one.wire('USER_LIMIT_CREATED', 1), used(2, '0', '85'));
    await one.apply(reset);
    await one.apply(one.wire('USER_LIMIT_CREATED', 3, { value: '101' }));
    await one.apply(used(4, '85', '1'), used(5, '86', '1'));
    expect(await one.unseen()).toBe(1);
  });

  it('rolls back the limit if its notification cannot be written', async () => {
    const store = {
      ...storage.store,
      projection: ((work, options) =>
        storage.store.projection(
          (transaction) =>
            work({ ...transaction, addNotifications: () => Promise.reject(new Error('no room')) }),
          options,
        )) as Store['projection'],
    };
    const one = someone(store);
    const events = [
      one.wire('USER_LIMIT_CREATED', 1),
      one.wire('USER_LIMIT_PROGRESS_CHANGED', 2, { amount: '99' }),
    ];
    await expect(one.apply(...events)).rejects.toThrow('no room');
    expect(await one.limits()).toEqual([]);
    expect(await one.history()).toEqual([]);
  });

  it('changes the badge together with a sent notification of the same batch', async () => {
    const one = someone();
    await storage.store.transaction((transaction) => transaction.ensureUsers([one.user], testNow));
    const sent = recordsOf([notificationSent(one.user)], ++offsets);
    const limits = [
      one.wire('USER_LIMIT_CREATED', 1),
      one.wire('USER_LIMIT_PROGRESS_CHANGED', 2, { amount: '99' }),
    ].map((wire) => limitRecord(wire, ++offsets));
    await one.project.apply([...sent, ...limits]);
    expect(await one.unseen()).toBe(2);
    const topics = one.pubSub.published.map(({ topic }) => topic);
    expect(topics).toEqual([
      `badge:default/${one.user.userId}\nnotifications`,
      `limit:default/${one.user.userId}`,
    ]);
  });
});
