import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import type { ShownLimit, ZonedLimit } from '../../domain/limit.ts';
import { parseLimit, serializeLimit } from '../../domain/serialized-limit.ts';
import type { Fields } from '../../events/record.ts';
import { silent } from '../../ports/logger.ts';
import { createTestClock, testNow } from '../../testing/event.ts';
import { observed } from '../../testing/faults.ts';
import { limitRecord, limitsOf, wireLimitEvent } from '../../testing/limit.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createProject } from '../apply/project.ts';
import { createSchedule } from '../background/schedule.ts';
import { limitTopic } from '../deliver/publish.ts';
import { createRead } from '../read/read.ts';
import { createLimitWatch } from './watch-limits.ts';

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());
const opened: { stop(): void | Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop();
});

let users = 0;
let offsets = 0;
const hourMs = 3_600_000;

/** Watches the limits of a new user. `pushed` lists the progress and status of each pushed limit. */
async function watchNewUser({ resyncMs = 60_000 } = {}) {
  const { store } = storage;
  const user = { tenantId: 'default', userId: `watched-${++users}` };
  const pubSub = observed(createLocalPubSub());
  const clock = createTestClock();
  const reads = vi.fn(store.limits);
  const read = createRead({ store: { ...store, limits: reads }, clock });
  const shared = { store, pubSub, clock, logger: silent };
  const project = createProject(shared, { retentionDays: 183 });
  const watch = createLimitWatch({ read, pubSub, clock, logger: silent }, { resyncMs, subscribeWaitMs: 50 });
  const schedule = createSchedule(shared);
  opened.push(watch);
  const pushed: string[] = [];
  const limits: ShownLimit[] = [];
  const wire = (type: Parameters<typeof wireLimitEvent>[0], sequence: number, payload: Fields = {}) =>
    wireLimitEvent(type, sequence, { ...payload, userId: user.userId });
  return {
    user,
    store,
    pubSub,
    clock,
    reads,
    watch,
    schedule,
    pushed,
    limits,
    shared,
    apply: (...wires: readonly Fields[]) => project.apply(wires.map((one) => limitRecord(one, ++offsets))),
    wire,
    used: (sequence: number, amount: string) => wire('USER_LIMIT_PROGRESS_CHANGED', sequence, { amount }),
    async follow() {
      const iterator = await watch.limits(user);
      const reading = (async () => {
        for await (const limit of iterator) {
          limits.push(limit);
          pushed.push(`${limit.userLimitId} ${limit.change?.amount ?? 0} ${limit.status}`);
        }
      })();
      return { iterator, reading };
    },
  };
}

describe('watching limits', () => {
  it('emits all limits first, and then only newer states of the limits', async () => {
    const one = await watchNewUser();
    await one.apply(
      one.wire('USER_LIMIT_CREATED', 1),
      one.wire('USER_LIMIT_CREATED', 2, { userLimitId: 'limit-2' }),
    );
    await one.follow();
    await vi.waitFor(() => expect(one.pushed).toEqual(['limit-1 0 ACTIVE', 'limit-2 0 ACTIVE']));
    await one.apply(one.used(3, '5'));
    await vi.waitFor(() => expect(one.pushed.slice(2)).toEqual(['limit-1 5 ACTIVE']));
    const newest = one.pubSub.published.at(-1)?.value as string;
    await one.apply(one.used(4, '6'));
    // Publishes an older state, a repeated state and unreadable messages.
    const topic = limitTopic(one.user);
    await one.pubSub.publish([newest, newest, 'noise', '{}'].map((value) => ({ topic, value })));
    await one.apply(one.wire('USER_LIMIT_CREATED', 5, { userLimitId: 'limit-3' }));
    await vi.waitFor(() => expect(one.pushed.slice(3)).toEqual(['limit-1 6 ACTIVE', 'limit-3 0 ACTIVE']));
    expect(one.watch.unreadable()).toBe(2);
  });

  it('finds lost changes after a gap in pub/sub and at the next resync', async () => {
    const one = await watchNewUser({ resyncMs: 300 });
    await one.apply(one.wire('USER_LIMIT_CREATED', 1));
    const { iterator, reading } = await one.follow();
    await vi.waitFor(() => expect(one.pushed).toHaveLength(1));
    one.pubSub.lose = true;
    await one.apply(one.used(2, '7'));
    await vi.waitFor(() => expect(one.pushed.slice(1)).toEqual(['limit-1 7 ACTIVE']));
    await one.apply(one.used(3, '8'));
    one.pubSub.gap();
    await vi.waitFor(() => expect(one.pushed.slice(2)).toEqual(['limit-1 8 ACTIVE']));
    await iterator.return?.();
    await reading;
    expect(one.watch.count()).toBe(0);
    expect(one.pubSub.subscriptions()).toBe(0);
  });

  it('reads the limits of watchers that begin together in one query', async () => {
    const one = await watchNewUser();
    const other = { tenantId: 'default', userId: `${one.user.userId}-too` };
    await one.apply(
      one.wire('USER_LIMIT_CREATED', 1),
      wireLimitEvent('USER_LIMIT_CREATED', 2, { userId: other.userId, userLimitId: 'limit-2' }),
    );
    const unknownUser = { tenantId: 'default', userId: 'nobody-yet' };
    const watched = Array.from(
      { length: 150 },
      (_, n) => [one.user, other, unknownUser][n % 3] as typeof other,
    );
    const iterators = await Promise.all(watched.map((user) => one.watch.limits(user)));
    expect(one.reads).toHaveBeenCalledTimes(2);
    const first = await Promise.all(iterators.filter((_, n) => n % 3 < 2).map((each) => each.next()));
    expect(first.map(({ value }) => value.userLimitId)).toEqual(
      first.map((_, n) => (n % 2 === 0 ? 'limit-1' : 'limit-2')),
    );
    for (const each of iterators) await each.return?.();
    expect(one.watch.count()).toBe(0);
  });

  it('begins while pub/sub is unreachable, and reads the limits again when pub/sub is back', async () => {
    const one = await watchNewUser();
    let confirm = () => {};
    one.pubSub.away = new Promise((resolve) => {
      confirm = resolve;
    });
    one.pubSub.lose = true;
    await one.apply(one.wire('USER_LIMIT_CREATED', 1));
    await one.follow();
    await vi.waitFor(() => expect(one.pushed).toHaveLength(1));
    await one.apply(one.used(2, '7'));
    confirm();
    await vi.waitFor(() => expect(one.pushed.slice(1)).toEqual(['limit-1 7 ACTIVE']));
  });

  it('continues after the user was erased and created again', async () => {
    const one = await watchNewUser();
    await one.apply(one.wire('USER_LIMIT_CREATED', 1), one.used(2, '7'));
    await one.follow();
    await vi.waitFor(() => expect(one.pushed).toEqual(['limit-1 7 ACTIVE']));
    expect(await createAct(one.shared).eraseUser(one.user)).toBeUndefined();
    one.clock.set(new Date(testNow.getTime() + 1));
    await one.apply(one.wire('USER_LIMIT_CREATED', 3));
    await vi.waitFor(() => expect(one.pushed.slice(1)).toEqual(['limit-1 0 ACTIVE']));
  });

  it('emits amounts exactly, to the last digit', async () => {
    const one = await watchNewUser();
    await one.apply(
      one.wire('USER_LIMIT_CREATED', 1, {
        value: '123456789012345678901234567.890',
        activeUntil: testNow.getTime() + 1,
      }),
      one.used(2, '0.001'),
      one.wire('USER_LIMIT_RESET', 3),
      one.wire('USER_LIMIT_CREATED', 4),
    );
    const [limit] = await limitsOf(one.store, [one.user]);
    expect(parseLimit(serializeLimit(limit as ZonedLimit))).toEqual(limit);
    expect(parseLimit(one.pubSub.published.at(-1)?.value ?? '')).toEqual(limit);
  });
});

describe('the schedule of limits', () => {
  it('starts and ends limits for every reader, and sends the change to watchers', async () => {
    const one = await watchNewUser();
    const at = (hours: number) => testNow.getTime() + hours * hourMs;
    await one.apply(
      one.wire('USER_LIMIT_CREATED', 1, { status: 'FUTURE', activeFrom: at(1), activeUntil: at(3) }),
      one.wire('USER_LIMIT_CREATED', 2, { userLimitId: 'limit-2' }),
    );
    expect(await one.store.nextDue()).toEqual(new Date(at(1)));
    await one.follow();
    await vi.waitFor(() => expect(one.pushed).toEqual(['limit-1 0 FUTURE', 'limit-2 0 ACTIVE']));
    expect(await one.schedule.updateLimits()).toBe(0);
    one.clock.set(new Date(at(1)));
    const turned = await Promise.all(Array.from({ length: 4 }, () => one.schedule.updateLimits()));
    expect(turned.reduce((sum, count) => sum + count)).toBe(1);
    await vi.waitFor(() => expect(one.pushed.slice(2)).toEqual(['limit-1 0 ACTIVE']));
    expect(await one.store.nextDue()).toEqual(new Date(at(3)));
    one.clock.set(new Date(at(4)));
    expect(await one.schedule.updateLimits()).toBe(1);
    await vi.waitFor(() => expect(one.pushed.slice(3)).toEqual(['limit-1 0 CANCELED']));
    expect(await one.store.nextDue()).toBeUndefined();
    expect(await one.schedule.updateLimits()).toBe(0);
  });

  it('starts a new limit in time, even if it was sleeping until later', async () => {
    const one = await watchNewUser();
    one.clock.now = () => new Date();
    one.schedule.start();
    opened.push(one.schedule);
    const soon = Date.now() + 700;
    await one.apply(
      one.wire('USER_LIMIT_CREATED', 1, { status: 'FUTURE', activeFrom: soon, nextResetTime: null }),
    );
    await one.follow();
    await vi.waitFor(() => expect(one.pushed).toEqual(['limit-1 0 FUTURE', 'limit-1 0 ACTIVE']), {
      timeout: 10_000,
    });
    // The version, which is a time in ms, is not before the start of the limit.
    expect(one.limits[1]?.version).toBeGreaterThanOrEqual(soon);
  });
});
