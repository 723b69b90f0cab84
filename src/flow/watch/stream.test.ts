import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { AppError } from '../../domain/error.ts';
import type { NotificationAction } from '../../domain/notification.ts';
import { type Place, placeOf, type StreamEvent } from '../../domain/stream.ts';
import type { UserKey } from '../../domain/user.ts';
import type { NotificationSent } from '../../events/notification.ts';
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
import { observed } from '../../testing/faults.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createProject } from '../apply/project.ts';
import { createSchedule } from '../background/schedule.ts';
import { createRead } from '../read/read.ts';
import { createStream } from './stream.ts';
import { createWatch } from './watch.ts';

const waiting = { timeout: 5_000, interval: 2 };
const minuteMs = 60_000;

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

let users = 0;
let offsets = 0;

/**
 * Creates a user with an inbox, functions that change the inbox, and streams that read from the given store.
 */
async function startInbox({
  store = storage.store,
  resyncMs = 3_600_000,
}: {
  store?: Store;
  resyncMs?: number;
} = {}) {
  const clock = createTestClock();
  const pubSub = observed(createLocalPubSub());
  const shared = { store: storage.store, pubSub, clock, logger: silent };
  const project = createProject(shared, { retentionDays: 183 });
  const act = createAct(shared);
  const schedule = createSchedule(shared);
  const read = createRead({ store, clock });
  const watch = createWatch({ read, pubSub, clock, logger: silent }, { resyncMs, subscribeWaitMs: 50 });
  const stream = createStream({ read, watch, clock, logger: silent });
  ends.push(watch.stop);
  const user: UserKey = { tenantId: 'default', userId: `streamer-${++users}` };
  const exist = () => storage.store.transaction((transaction) => transaction.ensureUsers([user], testNow));
  await exist();
  const apply = (events: Parameters<typeof recordsOf>[0]) => {
    offsets += events.length;
    return project.apply(recordsOf(events, offsets));
  };
  const sent = (data: Partial<NotificationSent['data']> = {}) =>
    notificationSent({
      ...user,
      occurredAt: clock.now(),
      data: { category: 'general', severity: 'NORMAL', title: 'Hello', ...data },
    });
  return {
    user,
    clock,
    pubSub,
    act,
    watch,
    exist,
    apply,
    sent,
    /** Returns the current end of the history of the inbox. */
    async head(): Promise<Place> {
      const [inbox] = await storage.store.inboxes([user]);
      if (!inbox) throw new Error('every user has an inbox');
      return placeOf(inbox);
    },
    async send(data: Partial<NotificationSent['data']> = {}): Promise<string> {
      const event = sent(data);
      await apply([event]);
      return event.id;
    },
    mark: (action: NotificationAction, ...ids: readonly string[]) =>
      act.markNotifications(user, { action, which: ids.length > 0 ? { ids } : { filter: {} } }),
    visit: (subjectId: string) =>
      apply([pageViewed({ ...user, occurredAt: clock.now(), data: { name: 'Page', subjectId } })]),
    async pass(minutes: number): Promise<void> {
      clock.set(new Date(clock.now().getTime() + minutes * minuteMs));
      while ((await schedule.deliverDue()) > 0);
    },
    list: (filter: object = { archived: false, snoozed: false }) =>
      storage.store.notifications(user, { first: 100, ...filter }),
    events: (after?: Place) => stream.events(user, after),
    /** Collects all events after a place as they arrive. */
    async follow(after?: Place) {
      const events = await stream.events(user, after);
      const seen: StreamEvent[] = [];
      const over = (async () => {
        for await (const event of events) seen.push(event);
      })();
      return { seen, over, end: () => events.return?.() };
    },
  };
}

/** Returns a short text for an event. */
function textOf(event: StreamEvent): string {
  switch (event.kind) {
    case 'ADDED':
      return `+${event.notification.title}`;
    case 'CHANGED':
      return `${event.action} ${event.ids.length}`;
    case 'RESET':
      return event.reason;
    default:
      return event satisfies never;
  }
}

/** Reads `count` events. */
async function take(
  events: AsyncIterableIterator<StreamEvent>,
  count: number,
): Promise<readonly StreamEvent[]> {
  const taken: StreamEvent[] = [];
  while (taken.length < count) {
    const { value, done } = await events.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

describe('a stream', () => {
  it('begins with a reset if there is no cursor, then emits events in their order', async () => {
    const one = await startInbox();
    await one.send({ title: 'before' });
    const { seen } = await one.follow();
    const id = await one.send({ title: 'a', subjectId: 's' });
    // If a notification arrives twice before the stream reads, the stream emits it only once. So the test
    // waits for each arrival.
    await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['NO_CURSOR', '+a']), waiting);
    await one.mark('UNREAD', id);
    await one.mark('SEEN', id);
    await one.pass(1);
    await one.act.openInbox(one.user, undefined);
    await one.visit('s');
    await one.act.snooze({ ...one.user, id }, new Date(testNow.getTime() + 2 * minuteMs), () => true);
    await one.pass(1);
    await one.mark('ARCHIVE');
    await one.mark('UNARCHIVE', id);
    await vi.waitFor(
      () =>
        expect(seen.map(textOf)).toEqual([
          'NO_CURSOR',
          '+a',
          'SEEN 1',
          // The opening is about two notifications, but one of them was already seen.
          'SEEN 1',
          'READ 1',
          'SNOOZE 1',
          '+a',
          'ARCHIVE 2',
          'UNARCHIVE 1',
        ]),
      waiting,
    );
    expect(seen.at(-1)?.badge).toMatchObject({ unseen: 0, unread: 1 });
  });

  it('emits the same events to a client that reconnects with any cursor', async () => {
    const one = await startInbox();
    const start = await one.head();
    const live = await one.follow(start);
    for (const title of ['a', 'b', 'c']) await one.send({ title });
    await one.act.openInbox(one.user, 2n);
    await one.send({ title: 'd' });
    await one.mark('READ');
    const emitted = ['+a', '+b', '+c', 'SEEN 2', '+d', 'READ 4'];
    await vi.waitFor(() => expect(live.seen.map(textOf)).toEqual(emitted), waiting);
    for (const [n, { place }] of [...live.seen].entries()) {
      const again = await one.follow(place);
      emitted.push(`+${n}`);
      await one.send({ title: String(n) });
      await vi.waitFor(() => expect(again.seen.map(textOf)).toEqual(emitted.slice(n + 1)), waiting);
    }
  });

  it('keeps the order over many pages of arrivals and changes', async () => {
    const one = await startInbox();
    const start = await one.head();
    const wanted: string[] = [];
    for (let n = 0; n < 4; n += 1) {
      const batch = Array.from({ length: 30 }, (_, m) => one.sent({ title: `${n}.${m}` }));
      await one.apply(batch);
      for (const { data } of batch) wanted.push(`+${data.title}`);
      for (let m = 0; m < 30; m += 1) {
        await one.mark('READ', batch[m]?.id ?? '');
        wanted.push('READ 1');
      }
    }
    // Each of these changes names many notifications, so a page contains fewer changes.
    for (const action of ['UNREAD', 'READ', 'UNREAD'] as const) {
      for (let m = 0; m < 5; m += 1) {
        await one.mark(action);
        if (m === 0) wanted.push(`${action} 120`);
      }
    }
    const emitted = await take(await one.events(start), wanted.length);
    expect(emitted.map(textOf)).toEqual(wanted);
    const places = emitted.map(({ place }) => Number(place.lastSeq) + Number(place.changeSeq));
    expect(places).toEqual(wanted.map((_, n) => n + 1));
  });

  it('emits an arrival if a notification joins a group, leaves its snooze or reaches its time, and a change if it expires', async () => {
    const one = await startInbox();
    const { seen } = await one.follow(await one.head());
    const at = (minutes: number) => new Date(testNow.getTime() + minutes * minuteMs);
    const id = await one.send({ title: 'first', groupKey: 'g', expiresAt: at(3) });
    await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['+first']), waiting);
    await one.send({ title: 'second', groupKey: 'g', expiresAt: at(3) });
    await one.send({ title: 'later', scheduledFor: at(1) });
    await one.send({ title: 'never', scheduledFor: at(2), expiresAt: at(2.5) });
    await one.pass(1);
    await one.act.snooze({ ...one.user, id }, at(2), () => true);
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ action: 'SNOOZE' }), waiting);
    await one.mark('UNSNOOZE', id);
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ action: 'UNSNOOZE' }), waiting);
    await one.pass(2);
    await vi.waitFor(
      () =>
        expect(seen.map(textOf)).toEqual([
          '+first',
          '+second',
          '+later',
          'SNOOZE 1',
          '+second',
          'UNSNOOZE 1',
          'EXPIRE 1',
        ]),
      waiting,
    );
  });
});

describe('a stream begins with a reset', () => {
  const reasonOf = async (events: AsyncIterableIterator<StreamEvent>) => {
    const [event] = await take(events, 1);
    return event?.kind === 'RESET' ? event.reason : event?.kind;
  };

  it('after more than a thousand arrivals or changes, and otherwise lists each of them', async () => {
    const one = await startInbox();
    const start = await one.head();
    await one.apply(Array.from({ length: 999 }, () => one.sent()));
    await one.mark('READ');
    expect(await take(await one.events(start), 1_000)).toHaveLength(1_000);
    await one.send();
    const [reset] = await take(await one.events(start), 1);
    expect(reset).toMatchObject({ kind: 'RESET', reason: 'TOO_MANY', place: await one.head() });
  });

  it.each(['arrival', 'change'] as const)(
    'if the cursor is more than seven days old (%s)',
    async (happened) => {
      const one = await startInbox();
      const id = await one.send();
      const start = await one.head();
      if (happened === 'arrival') await one.send();
      else await one.mark('READ', id);
      await one.pass(7 * 24 * 60);
      expect(await reasonOf(await one.events(start))).not.toBe('TOO_OLD');
      await one.pass(1);
      expect(await reasonOf(await one.events(start))).toBe('TOO_OLD');
      // A cursor of any age is valid if nothing has changed since the cursor.
      const { seen } = await one.follow(await one.head());
      await one.send({ title: 'new' });
      await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['+new']), waiting);
    },
  );

  it('if changes after the cursor are no longer stored', async () => {
    const one = await startInbox();
    const id = await one.send();
    const start = await one.head();
    await one.mark('READ', id);
    await one.pass(1);
    await storage.query('DELETE FROM inbox_change WHERE user_id = $1', [one.user.userId]);
    await one.mark('UNREAD', id);
    expect(await reasonOf(await one.events(start))).toBe('TOO_OLD');
  });

  it('if one call of marking or opening changed more than a thousand notifications', async () => {
    const one = await startInbox();
    for (const part of [600, 401]) await one.apply(Array.from({ length: part }, () => one.sent()));
    const { seen } = await one.follow(await one.head());
    await one.mark('READ');
    await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['TOO_MANY']), waiting);
    await one.act.openInbox(one.user, undefined);
    await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['TOO_MANY', 'TOO_MANY']), waiting);
    await one.send({ title: 'new' });
    await vi.waitFor(() => expect(seen.map(textOf).at(-1)).toBe('+new'), waiting);
  });

  it('if the cursor is ahead of the inbox', async () => {
    const one = await startInbox();
    await one.send();
    const head = await one.head();
    expect(await reasonOf(await one.events({ ...head, lastSeq: 2n }))).toBe('UNKNOWN_CURSOR');
    expect(await reasonOf(await one.events({ ...head, changeSeq: 1n }))).toBe('UNKNOWN_CURSOR');
  });

  it('if the user was erased, and open streams of the erased user end', async () => {
    const one = await startInbox();
    await one.send();
    const before = await one.head();
    const { seen, over } = await one.follow(before);
    await one.act.eraseUser(one.user);
    await over;
    expect(seen.map(textOf)).toEqual(['USER_ERASED']);
    expect(seen[0]?.badge).toMatchObject({ unseen: 0 });
    expect(one.watch.count()).toBe(0);
    await one.exist();
    // The new inbox gets more arrivals than the inbox of the erased user had.
    for (let n = 0; n < 3; n += 1) await one.send({ title: 'anew' });
    const again = await one.follow(before);
    await vi.waitFor(() => expect(again.seen.map(textOf)).toEqual(['USER_ERASED']), waiting);
    await one.send({ title: 'live' });
    await vi.waitFor(() => expect(again.seen.map(textOf)).toEqual(['USER_ERASED', '+live']), waiting);
    const fromReset = await one.follow(seen[0]?.place);
    const all = ['+anew', '+anew', '+anew', '+live'];
    await vi.waitFor(() => expect(fromReset.seen.map(textOf)).toEqual(all), waiting);
  });
});

describe('an open stream', () => {
  it('reads once for all messages that arrive during a read, after the client has taken the page', async () => {
    let reads = 0;
    let hold: Promise<void> | undefined;
    const store: Store = {
      ...storage.store,
      async inboxes(keys) {
        reads += 1;
        await hold;
        return storage.store.inboxes(keys);
      },
    };
    const one = await startInbox({ store });
    const events = await one.events(await one.head());
    const next = events.next();
    let release = () => {};
    hold = new Promise((resolve) => {
      release = resolve;
    });
    reads = 0;
    await one.send({ title: '0' });
    await vi.waitFor(() => expect(reads).toBe(1), waiting);
    for (let n = 1; n <= 20; n += 1) await one.send({ title: String(n) });
    release();
    await next;
    const rest = await take(events, 20);
    expect(rest.map(textOf)).toEqual(Array.from({ length: 20 }, (_, n) => `+${n + 1}`));
    expect(reads).toBeLessThanOrEqual(2);
    reads = 0;
    for (let n = 0; n < 20; n += 1) await one.send();
    await nextTurn();
    expect(reads).toBe(0);
    await events.return?.();
  });

  it('finds the change of a lost message at the next resync, and at once after a gap in pub/sub', async () => {
    for (const gap of [true, false]) {
      const one = await startInbox({ resyncMs: gap ? 3_600_000 : 20 });
      const { seen } = await one.follow(await one.head());
      one.pubSub.lose = true;
      await one.send({ title: 'lost' });
      if (gap) one.pubSub.gap();
      await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['+lost']), waiting);
    }
  });

  it('begins while pub/sub is unreachable, and misses no event when pub/sub is back', async () => {
    const one = await startInbox();
    let back = () => {};
    one.pubSub.away = new Promise((resolve) => {
      back = resolve;
    });
    one.pubSub.lose = true;
    const { seen } = await one.follow(await one.head());
    await one.send({ title: 'meanwhile' });
    back();
    await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['+meanwhile']), waiting);
  });

  it('continues after an outage of the store, but a new stream cannot begin during the outage', async () => {
    let isAway = false;
    let failures = 0;
    const store: Store = {
      ...storage.store,
      arrivals(stretches, first) {
        if (!isAway) return storage.store.arrivals(stretches, first);
        failures += 1;
        return Promise.reject(new AppError('UNAVAILABLE'));
      },
    };
    const one = await startInbox({ store });
    const start = await one.head();
    const { seen } = await one.follow(start);
    isAway = true;
    await one.send({ title: 'a' });
    await vi.waitFor(() => expect(failures).toBe(1), waiting);
    await expect(one.events(start)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(one.watch.count()).toBe(1);
    isAway = false;
    // The stream retries without a message.
    await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['+a']), { ...waiting, timeout: 10_000 });
  });

  it('emits only the events of its inbox', async () => {
    const [one, other] = [await startInbox(), await startInbox()];
    const { seen } = await one.follow(await one.head());
    const id = await other.send({ subjectId: 's' });
    await other.visit('s');
    await one.mark('READ', id);
    await one.send({ title: 'mine' });
    await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['+mine']), waiting);
  });

  it('ends when the client ends it, even while it waits, and leaves no watcher', async () => {
    const one = await startInbox();
    const waitingOne = await one.events(await one.head());
    const next = waitingOne.next();
    await nextTurn();
    await waitingOne.return?.();
    expect(await next).toEqual({ value: undefined, done: true });
    const fresh = await one.events();
    await fresh.return?.();
    expect(await fresh.next()).toEqual({ value: undefined, done: true });
    expect(one.watch.count()).toBe(0);
    expect(one.pubSub.subscriptions()).toBe(0);
  });
});

describe('the changes of an inbox', () => {
  it('are read until they name a thousand notifications, the maximum that one visit marks as read', async () => {
    const one = await startInbox();
    await one.apply(Array.from({ length: 600 }, () => one.sent()));
    for (const action of ['READ', 'UNREAD', 'READ'] as const) await one.mark(action);
    const start = { ...(await one.head()), changeSeq: 0n };
    const changes = await storage.store.changes([{ ...one.user, after: 0n, upTo: 3n }], 100);
    expect(changes.map((some) => some.map(({ ids }) => ids.length))).toEqual([[600, 600]]);
    const emitted = await take(await one.events(start), 3);
    expect(emitted.map(textOf)).toEqual(['READ 600', 'UNREAD 600', 'READ 600']);
    // A visit to several items marks the newest thousand notifications about all of these items as read.
    for (const subjectId of ['s', 't'])
      await one.apply(Array.from({ length: 501 }, () => one.sent({ subjectId })));
    const { seen } = await one.follow(await one.head());
    const data = { collection: 'news', itemIds: ['s', 't'] };
    await one.apply([itemViewed({ ...one.user, occurredAt: one.clock.now(), data })]);
    await vi.waitFor(() => expect(seen.map(textOf)).toEqual(['READ 1000']), waiting);
  });

  it('are stored for seven days, up to the newest thousand of each inbox', async () => {
    const one = await startInbox();
    const changes = Array.from({ length: 2_500 }, (_, n) => ({
      ...one.user,
      changeSeq: BigInt(n + 1),
      lastSeq: 1n,
      action: 'READ' as const,
      ids: [],
      stretch: null,
      changedAt: new Date(testNow.getTime() + n),
    }));
    const add = (from: number, to: number) =>
      storage.store.transaction((transaction) => transaction.addChanges(changes.slice(from, to)));
    const kept = async () =>
      (
        await storage.query<{ of: string }>(
          `SELECT min(change_seq) || '..' || max(change_seq) || ': ' || count(*) AS of FROM inbox_change WHERE user_id = $1`,
          [one.user.userId],
        )
      )[0]?.of;
    await add(0, 999);
    expect(await kept()).toBe('1..999: 999');
    await add(999, 1_001);
    expect(await kept()).toBe('2..1001: 1000');
    await add(1_001, 2_499);
    await add(2_499, 2_500);
    expect(
      await storage.store.expire('changes', new Date(testNow.getTime() + 2_490), { dryRun: false }),
    ).toBeGreaterThan(900);
    expect(await kept()).toBe('2491..2500: 10');
  });
});

describe('a client that follows a stream', () => {
  interface Shown {
    seq: bigint;
    seen: boolean;
    read: boolean;
    archived: boolean;
    snoozed: boolean;
  }
  type Inbox = Awaited<ReturnType<typeof startInbox>>;

  /**
   * Creates a client that keeps a list up to date over any number of streams. The client follows the
   * instructions of the API documentation.
   */
  function createClient(one: Inbox) {
    const shown = new Map<string, Shown>();
    let cursor: Place | undefined;
    let resets = 0;
    const show = ({
      id,
      seq,
      seenAt,
      readAt,
      archivedAt,
      snoozedUntil,
    }: Awaited<ReturnType<Inbox['list']>>[number]) =>
      shown.set(id, {
        seq: seq ?? 0n,
        seen: seenAt !== null,
        read: readAt !== null,
        archived: archivedAt !== null,
        snoozed: snoozedUntil !== null,
      });
    async function apply(event: StreamEvent): Promise<void> {
      if (event.kind === 'RESET') {
        resets += 1;
        shown.clear();
        for (const row of await one.list({})) show(row);
      } else {
        // No event is repeated, and the place never moves back.
        const [is, was] = [event.place, cursor as Place];
        expect(is.lastSeq >= was.lastSeq && is.changeSeq >= was.changeSeq).toBe(true);
        expect(is.lastSeq + is.changeSeq).toBeGreaterThan(was.lastSeq + was.changeSeq);
      }
      cursor = event.place;
      if (event.kind === 'ADDED') show(event.notification);
      if (event.kind !== 'CHANGED') return;
      for (const id of event.ids) {
        const row = shown.get(id);
        if (!row) continue;
        if (event.action === 'EXPIRE') shown.delete(id);
        if (event.action === 'SNOOZE') row.snoozed = true;
        if (event.action === 'SEEN' || event.action === 'READ' || event.action === 'ARCHIVE') row.seen = true;
        if (event.action === 'READ') row.read = true;
        if (event.action === 'UNREAD') row.read = false;
        if (event.action === 'ARCHIVE') Object.assign(row, { archived: true, snoozed: false });
        if (event.action === 'UNARCHIVE') row.archived = false;
      }
    }
    return {
      resets: () => resets,
      /** Subscribes with the cursor and drops the stream after `count` events. */
      async come(count: number): Promise<void> {
        const events = await one.events(cursor);
        for (let n = 0; n < count; n += 1) {
          const { value, done } = await Promise.race([
            events.next(),
            nextTurn({ value: undefined, done: true }),
          ]);
          if (done || !value) break;
          await apply(value);
        }
        await events.return?.();
      },
      /** Follows the stream until the list equals the store. */
      async catchUp(): Promise<void> {
        const events = await one.events(cursor);
        const over = (async () => {
          for await (const event of events) await apply(event);
        })();
        const stored = (await one.list()).map(({ id, seq, seenAt, readAt }) => [
          id,
          seq,
          seenAt !== null,
          readAt !== null,
        ]);
        await vi.waitFor(() => {
          const listed = [...shown].filter(([, row]) => !row.archived && !row.snoozed);
          listed.sort(([, a], [, b]) => Number(b.seq - a.seq));
          expect(listed.map(([id, { seq, seen, read }]) => [id, seq, seen, read])).toEqual(stored);
        }, waiting);
        await events.return?.();
        await over;
      },
    };
  }

  const any = fc.nat(9);
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        what: fc.constant('send' as const),
        groupKey: fc.option(fc.constantFrom('g', 'h'), { nil: undefined }),
        subjectId: fc.option(fc.constantFrom('s', 't'), { nil: undefined }),
        in: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
        expires: fc.option(fc.integer({ min: 5, max: 9 }), { nil: undefined }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        what: fc.constant('mark' as const),
        action: fc.constantFrom('SEEN', 'READ', 'UNREAD', 'ARCHIVE', 'UNARCHIVE', 'UNSNOOZE'),
        which: fc.option(any, { nil: undefined }),
      }),
    },
    fc.record({ what: fc.constant('open' as const), upTo: fc.option(any, { nil: undefined }) }),
    fc.record({ what: fc.constant('visit' as const), subjectId: fc.constantFrom('s', 't') }),
    fc.record({ what: fc.constant('snooze' as const), which: any, minutes: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ what: fc.constant('pass' as const), minutes: fc.integer({ min: 1, max: 3 }) }),
    { weight: 2, arbitrary: fc.record({ what: fc.constant('come' as const), count: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('catchUp' as const) }) },
  );

  it('shows the same list as the store after any number of lost streams, with one reset and no repeated event', async () => {
    let streams = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (happenings) => {
        const one = await startInbox();
        const client = createClient(one);
        const ids: string[] = [];
        const at = (minutes: number) => new Date(one.clock.now().getTime() + minutes * minuteMs);
        await client.catchUp();
        for (const happening of happenings) {
          switch (happening.what) {
            case 'send': {
              const { groupKey, subjectId, expires } = happening;
              ids.push(
                await one.send({
                  groupKey,
                  subjectId,
                  ...(happening.in !== undefined && { scheduledFor: at(happening.in) }),
                  ...(expires !== undefined && { expiresAt: at(expires) }),
                }),
              );
              break;
            }
            case 'mark': {
              const id = happening.which === undefined ? undefined : ids[happening.which];
              await one.mark(happening.action as NotificationAction, ...(id ? [id] : []));
              break;
            }
            case 'open':
              await one.act.openInbox(
                one.user,
                happening.upTo === undefined ? undefined : BigInt(happening.upTo),
              );
              break;
            case 'visit':
              await one.visit(happening.subjectId);
              break;
            case 'snooze':
              await one.act.snooze(
                { ...one.user, id: ids[happening.which] ?? '00000000-0000-7000-8000-000000000000' },
                at(happening.minutes),
                () => true,
              );
              break;
            case 'pass':
              await one.pass(happening.minutes);
              break;
            case 'come':
              streams += 1;
              await client.come(happening.count);
              break;
            case 'catchUp':
              streams += 1;
              await client.catchUp();
              break;
            default:
              happening satisfies never;
          }
        }
        await client.catchUp();
        expect(client.resets()).toBe(1);
      }),
      { numRuns: 40, endOnFailure: true },
    );
    expect(streams).toBeGreaterThan(50);
  }, 180_000);
});
