import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { maxReadByVisit } from '../../domain/inbox-batch.ts';
import type { NotificationAction } from '../../domain/notification.ts';
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
import { withTransactions } from '../../testing/faults.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createProject } from '../apply/project.ts';
import { createReconcile } from '../background/reconcile.ts';
import { createSchedule } from '../background/schedule.ts';
import { createAct } from './act.ts';

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

const minuteMs = 60_000;
let users = 0;
let offsets = 0;

/** Creates a user with an inbox, and functions that change the inbox. */
async function startInbox() {
  const { store } = storage;
  const clock = createTestClock();
  const shared = { store, pubSub: createLocalPubSub(), clock, logger: silent };
  const project = createProject(shared, { retentionDays: 183 });
  const act = createAct(shared);
  const schedule = createSchedule(shared);
  const user: UserKey = { tenantId: 'default', userId: `user-${++users}` };
  await store.transaction((transaction) => transaction.ensureUsers([user], testNow));
  return {
    user,
    clock,
    act,
    schedule,
    list: () => store.notifications(user, { first: 100 }),
    oldest: async (first: number) =>
      (await store.arrivals([{ ...user, after: 0n, upTo: 1_000_000n }], first))[0] ?? [],
    async inbox() {
      const [inbox] = await store.inboxes([user]);
      return inbox ?? { unseen: 0, unread: 0, version: 0, lastSeq: 0n };
    },
    async send(data: Partial<NotificationSent['data']> = {}, again = 1): Promise<string> {
      const event = notificationSent({
        ...user,
        occurredAt: clock.now(),
        data: { category: 'general', severity: 'NORMAL', title: 'Hello', ...data },
      });
      for (let n = 0; n < again; n += 1) await project.apply(recordsOf([event], ++offsets));
      return event.id;
    },
    async visit(subjectId: string): Promise<void> {
      const view = pageViewed({ ...user, occurredAt: clock.now(), data: { name: 'Page', subjectId } });
      await project.apply(recordsOf([view], ++offsets));
    },
    async view(...itemIds: readonly string[]): Promise<void> {
      const view = itemViewed({
        ...user,
        occurredAt: clock.now(),
        data: { collection: 'news', itemIds: [...itemIds] },
      });
      await project.apply(recordsOf([view], ++offsets));
    },
    apply: (events: Parameters<typeof recordsOf>[0]) => {
      offsets += events.length;
      return project.apply(recordsOf(events, offsets));
    },
    async pass(minutes: number): Promise<void> {
      clock.set(new Date(clock.now().getTime() + minutes * minuteMs));
      while ((await schedule.deliverDue()) > 0);
    },
  };
}

const quiet = () => ({ pubSub: createLocalPubSub(), clock: createTestClock(), logger: silent });

/** Inserts notifications for a user whose inbox is empty, with consecutive sequence numbers. */
async function fill(
  user: UserKey,
  count: number,
  columns: Readonly<Record<string, string>> = {},
): Promise<void> {
  await storage.store.transaction((transaction) => transaction.lockInboxes([user], testNow));
  await storage.query(
    `INSERT INTO notification (
       ${['tenant_id, user_id, id, seq, status, category, severity, title, created_at, delivered_at', ...Object.keys(columns)]})
     SELECT
       ${[`'default', $1, gen_random_uuid(), n, 'DELIVERED', 'general', 'NORMAL', 'Full', now(), now()`, ...Object.values(columns)]}
     FROM generate_series(1, $2::int) AS n`,
    [user.userId, count],
  );
  await storage.query(
    'UPDATE inbox SET unseen = $2::int, unread = $2::int, last_seq = $2::int WHERE user_id = $1',
    [user.userId, count],
  );
}

describe('marking', () => {
  it('marks one or thousands of notifications, but no notification that arrived after `upToSeq`', async () => {
    const one = await startInbox();
    await one.apply(Array.from({ length: 1_500 }, () => notificationSent(one.user)));
    const read = await one.act.markNotifications(one.user, {
      action: 'READ',
      which: { filter: {} },
      upToSeq: 1_400n,
    });
    expect(read).toMatchObject({ affectedCount: 1_400, badge: { unseen: 100, unread: 100 } });
    const again = await one.act.markNotifications(one.user, {
      action: 'READ',
      which: { filter: {} },
      upToSeq: 1_400n,
    });
    expect(again).toMatchObject({ affectedCount: 0, badge: { unseen: 100, unread: 100 } });
  });

  it('leaves a correct badge after each step, and a second call finishes an interrupted call', async () => {
    const one = await startInbox();
    await fill(one.user, 12_000);
    const seen: number[] = [];
    let steps = 0;
    const store = withTransactions(storage.store, (transaction) => ({
      async markNotifications(inbox, marking, now) {
        if (++steps === 2) throw new Error('cut off');
        return transaction.markNotifications(inbox, marking, now);
      },
      async saveInboxes(inboxes) {
        await transaction.saveInboxes(inboxes);
        const [recounted] = await transaction.recount([one.user]);
        expect(recounted?.inbox).toMatchObject(recounted?.counts ?? {});
        seen.push(recounted?.inbox.unread ?? 0);
      },
    }));
    const act = createAct({ store, ...quiet() });
    const all = { action: 'READ', which: { filter: {} }, upToSeq: 11_000n } as const;
    await expect(act.markNotifications(one.user, all)).rejects.toThrow('cut off');
    expect(await act.markNotifications(one.user, all)).toMatchObject({
      affectedCount: 6_000,
      badge: { unseen: 1_000, unread: 1_000 },
    });
    expect(seen).toEqual([7_000, 2_000, 1_000]);
  });

  it('lets thousands of snoozed notifications arrive again in their order, after all other notifications', async () => {
    const one = await startInbox();
    await fill(one.user, 6_000, {
      snoozed_until: `now() + interval '1 day'`,
      due_at: `now() + interval '1 day'`,
    });
    await storage.query('UPDATE inbox SET unseen = 0, unread = 0 WHERE user_id = $1', [one.user.userId]);
    const [first] = await storage.query<{ id: string }>(
      'SELECT id FROM notification WHERE user_id = $1 AND seq = 1',
      [one.user.userId],
    );
    const marking = { action: 'UNSNOOZE', which: { filter: { snoozed: true } } } as const;
    expect(await one.act.markNotifications(one.user, marking)).toMatchObject({
      affectedCount: 6_000,
      badge: { unseen: 6_000, unread: 6_000 },
    });
    const oldest = await storage.store.notification('default', first?.id ?? '');
    expect(oldest).toMatchObject({ seq: 6_001n, snoozedUntil: null });
    expect(await one.inbox()).toMatchObject({ lastSeq: 12_000n });
    expect(await drift(storage.query)).toEqual([]);
  });

  it.each<[NotificationAction, Readonly<Record<string, string>>, object]>([
    ['SEEN', {}, { unseen: 0, unread: 11_000 }],
    ['UNREAD', { seen_at: 'now()', read_at: 'now()' }, { unseen: 0, unread: 11_000 }],
    ['ARCHIVE', {}, { unseen: 0, unread: 0 }],
    ['UNARCHIVE', { archived_at: 'now()' }, { unseen: 11_000, unread: 11_000 }],
  ])('leaves correct counts after several steps: %s', async (action, columns, badge) => {
    const one = await startInbox();
    await fill(one.user, 11_000, columns);
    await createReconcile({ store: storage.store, ...quiet() }).badge(one.user, { dryRun: false });
    const marked = await one.act.markNotifications(one.user, { action, which: { filter: {} } });
    expect(marked).toMatchObject({ affectedCount: 11_000, badge });
    expect(await drift(storage.query)).toEqual([]);
  });

  it('does not mark notifications that arrive between two steps', async () => {
    const one = await startInbox();
    await fill(one.user, 6_000);
    let steps = 0;
    const store: Store = {
      ...storage.store,
      async transaction(work, owner) {
        if (++steps === 2) {
          await one.act.openInbox(one.user, undefined);
          await one.send();
        }
        return storage.store.transaction(work, owner);
      },
    };
    const act = createAct({ store, ...quiet() });
    const marked = await act.markNotifications(one.user, { action: 'READ', which: { filter: {} } });
    expect(marked).toMatchObject({ affectedCount: 6_000, badge: { unseen: 1, unread: 1 } });
    expect(await drift(storage.query)).toEqual([]);
  });

  it('leaves the counters at 0 if the counters were too low before', async () => {
    const one = await startInbox();
    await one.send();
    await storage.query('UPDATE inbox SET unseen = 0, unread = 0 WHERE user_id = $1', [one.user.userId]);
    const marked = await one.act.markNotifications(one.user, { action: 'READ', which: { filter: {} } });
    expect(marked).toMatchObject({ affectedCount: 1, badge: { unseen: 0, unread: 0 } });
  });

  it('marks the notifications that match the filter', async () => {
    const one = await startInbox();
    await one.send({ category: 'a' });
    await one.send({ category: 'b', subjectId: 's' });
    await one.send({ category: 'b' });
    const mark = async (filter: object) => {
      const marked = await one.act.markNotifications(one.user, { action: 'READ', which: { filter } });
      return 'badge' in marked ? marked.affectedCount : marked;
    };
    expect(await mark({ categories: ['c'] })).toBe(0);
    expect(await mark({ categories: ['b'], subjectId: 's' })).toBe(1);
    expect(await mark({ read: true })).toBe(0);
    expect(await mark({ seen: true })).toBe(0);
    expect(await mark({ createdTo: testNow })).toBe(0);
    expect(await mark({ createdFrom: testNow, seen: false, categories: ['a', 'b'] })).toBe(2);
    expect(await storage.store.countByCategory(one.user)).toEqual([]);
  });

  it('returns the ids of notifications that never arrived in this inbox', async () => {
    const [one, other] = [await startInbox(), await startInbox()];
    const id = await one.send();
    const marked = await other.act.markNotifications(other.user, { action: 'READ', which: { ids: [id] } });
    // The notification with the other id never arrived in this inbox.
    expect(marked).toMatchObject({ affectedCount: 0, unknownIds: [id] });
    expect(await one.inbox()).toMatchObject({ unread: 1 });
  });
});

describe('opening', () => {
  it('leaves notifications above `upToSeq` unseen in a large inbox', async () => {
    const one = await startInbox();
    await fill(one.user, 12_000);
    for (const [upToSeq, unseen] of [
      [2_000n, 10_000],
      [11_990n, 10],
      [11_990n, 10],
      [undefined, 0],
    ] as const) {
      expect(await one.act.openInbox(one.user, upToSeq)).toMatchObject({ badge: { unseen, unread: 12_000 } });
      expect(await drift(storage.query)).toEqual([]);
    }
  });
});

describe('a group', () => {
  it('counts as one notification until it is seen, and has the newest content and the top place in the list', async () => {
    const one = await startInbox();
    const id = await one.send({ groupKey: 'order-1', title: 'Paid' });
    await one.send();
    await one.send({ groupKey: 'order-1', title: 'Shipped' });
    expect(await one.inbox()).toMatchObject({ unseen: 2, unread: 2, lastSeq: 3n });
    expect(await one.list()).toMatchObject([{ id, title: 'Shipped', groupCount: 2, seq: 3n }, { seq: 2n }]);
    await one.act.openInbox(one.user, undefined);
    await one.send({ groupKey: 'order-1', title: 'Delivered' });
    expect(await one.inbox()).toMatchObject({ unseen: 1, unread: 3 });
    expect((await one.list())[0]).toMatchObject({ title: 'Delivered', groupCount: 1 });
  });

  it('is one notification, even if many of its notifications are in one batch', async () => {
    const one = await startInbox();
    const sent = Array.from({ length: 20 }, () =>
      notificationSent({
        ...one.user,
        data: { category: 'general', severity: 'NORMAL', title: 'Liked', groupKey: 'likes' },
      }),
    );
    await one.apply(sent);
    await one.apply(sent);
    expect(await one.list()).toMatchObject([{ groupCount: 20 }]);
    expect(await one.inbox()).toMatchObject({ unseen: 1, unread: 1 });
  });
});

describe('a visit', () => {
  it('marks the notifications about its subject that precede it in the log as read', async () => {
    const one = await startInbox();
    const about = (subjectId: string) =>
      notificationSent({
        ...one.user,
        data: { category: 'general', severity: 'NORMAL', title: 'New reply', subjectId },
      });
    const visit = pageViewed({ ...one.user, data: { name: 'Thread', subjectId: 'thread-1' } });
    await one.apply([about('thread-1'), about('thread-2'), visit, about('thread-1')]);
    expect(await one.inbox()).toMatchObject({ unseen: 2, unread: 2 });
    expect(await one.list()).toMatchObject([
      { readAt: null },
      { readAt: null, subjectId: 'thread-2' },
      { readAt: testNow, seenAt: testNow },
    ]);
  });

  it('marks the notifications about each viewed item as read', async () => {
    const one = await startInbox();
    for (const subjectId of ['a', 'b', 'c']) await one.send({ subjectId });
    await one.view('a', 'c', 'd');
    expect(await one.inbox()).toMatchObject({ unseen: 1, unread: 1, version: 4 });
    const read = (await one.list()).filter(({ readAt }) => readAt !== null);
    expect(read.map(({ subjectId }) => subjectId).sort()).toEqual(['a', 'c']);
  });

  it('marks the newest notifications up to its limit as read, the next visit marks the next ones, and the counters are exact', async () => {
    const one = await startInbox();
    const about = (count: number) =>
      one.apply(
        Array.from({ length: count }, () =>
          notificationSent({
            ...one.user,
            data: { category: 'general', severity: 'NORMAL', title: 'Full', subjectId: 'disk' },
          }),
        ),
      );
    await about(300);
    await about(maxReadByVisit - 100);
    const unread = async () => {
      await one.visit('disk');
      const [row] = await storage.query<{ n: number; upTo: string }>(
        `SELECT count(*)::int AS n, max(seq) AS "upTo" FROM notification WHERE user_id = $1 AND read_at IS NULL`,
        [one.user.userId],
      );
      expect(await one.inbox()).toMatchObject({ unseen: row?.n, unread: row?.n });
      return row;
    };
    expect(await unread()).toEqual({ n: 200, upTo: '200' });
    // A visit does not mark archived notifications, and they do not count toward its limit.
    await about(maxReadByVisit);
    await one.act.markNotifications(one.user, { action: 'ARCHIVE', which: { filter: { read: false } } });
    await one.act.markNotifications(one.user, {
      action: 'UNARCHIVE',
      which: { ids: (await one.oldest(2)).map(({ id }) => id) },
    });
    await one.visit('disk');
    expect(await one.inbox()).toMatchObject({ unseen: 0, unread: 0 });
    expect(await one.oldest(3)).toMatchObject([{ readAt: testNow }, { readAt: testNow }, { readAt: null }]);
    expect((await drift(storage.query)).filter(({ user_id }) => user_id === one.user.userId)).toEqual([]);
  });

  it('does not mark a notification that was sent after the visit, even if the visit is applied late', async () => {
    const one = await startInbox();
    await one.send({ subjectId: 'thread-1' });
    const occurredAt = new Date(testNow.getTime() - 10 * minuteMs);
    await one.apply([
      pageViewed({ ...one.user, occurredAt, data: { name: 'Thread', subjectId: 'thread-1' } }),
    ]);
    expect(await one.inbox()).toMatchObject({ unread: 1 });
  });
});

describe('a group with several unseen notifications', () => {
  /**
   * Creates a user and a group. The oldest and the newest notification of the group are unseen, each about a
   * different subject.
   */
  async function startWithTwo() {
    const one = await startInbox();
    // No notification of the tests above is still scheduled.
    await one.pass(1_000_000);
    const newest = await one.send({ groupKey: 'likes', subjectId: 'newest', title: 'Newest' });
    const until = new Date(one.clock.now().getTime() + minuteMs);
    await one.act.snooze({ tenantId: 'default', id: newest }, until, () => true);
    await one.send({ groupKey: 'likes', subjectId: 'oldest', title: 'Oldest' });
    await one.pass(2);
    expect(await one.list()).toMatchObject([{ title: 'Newest' }, { title: 'Oldest' }]);
    return one;
  }
  const again = (one: Awaited<ReturnType<typeof startInbox>>) =>
    notificationSent({
      ...one.user,
      occurredAt: one.clock.now(),
      data: { category: 'general', severity: 'NORMAL', title: 'Again', groupKey: 'likes' },
    });

  it('adds a new notification to the newest unseen notification', async () => {
    const one = await startWithTwo();
    await one.apply([again(one)]);
    expect(await one.list()).toMatchObject([{ title: 'Again', groupCount: 2 }, { title: 'Oldest' }]);
  });

  it('adds a new notification to the next unseen one if a visit in the same batch marks the newest one as read', async () => {
    const one = await startWithTwo();
    const visit = pageViewed({
      ...one.user,
      occurredAt: one.clock.now(),
      data: { name: 'Page', subjectId: 'newest' },
    });
    await one.apply([visit, again(one)]);
    expect(await one.list()).toMatchObject([{ title: 'Again', groupCount: 2 }, { title: 'Newest' }]);
    expect(await one.inbox()).toMatchObject({ unseen: 1, unread: 1 });
  });

  it('adds a new notification to the next unseen one if the newest one expires in the same batch', async () => {
    const one = await startInbox();
    await one.pass(1_000_000);
    const inMinutes = (minutes: number) => new Date(one.clock.now().getTime() + minutes * minuteMs);
    const expiring = await one.send({ groupKey: 'likes', title: 'Expiring', expiresAt: inMinutes(5) });
    await one.act.snooze({ tenantId: 'default', id: expiring }, inMinutes(1), () => true);
    await one.send({ groupKey: 'likes', title: 'Stays' });
    await one.pass(2);
    expect(await one.list()).toMatchObject([{ title: 'Expiring' }, { title: 'Stays' }]);
    await one.send({ groupKey: 'likes', title: 'Again', scheduledFor: inMinutes(4) });
    await one.pass(10);
    expect(await one.list()).toMatchObject([{ title: 'Again', groupCount: 2 }]);
    expect(await one.inbox()).toMatchObject({ unseen: 1, unread: 1 });
  });
});

describe('a scheduled notification', () => {
  it('arrives once at its delivery time, even if several workers deliver it', async () => {
    const one = await startInbox();
    // No notification of the tests above is still scheduled.
    await one.pass(1_000_000);
    const at = new Date(one.clock.now().getTime() + 5 * minuteMs);
    for (let n = 1; n <= 30; n += 1) await one.send({ title: String(n), scheduledFor: at });
    await one.pass(4);
    expect(await one.inbox()).toMatchObject({ unseen: 0, lastSeq: 0n });
    one.clock.set(at);
    const delivered = await Promise.all(Array.from({ length: 4 }, () => one.schedule.deliverDue()));
    expect(delivered.reduce((sum, count) => sum + count)).toBe(30);
    expect(await one.inbox()).toMatchObject({ unseen: 30, unread: 30, lastSeq: 30n });
    expect(await one.schedule.deliverDue()).toBe(0);
  });
});
