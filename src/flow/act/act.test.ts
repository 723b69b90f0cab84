import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import type { UserKey } from '../../domain/user.ts';
import { silent } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { observed, withTransactions } from '../../testing/faults.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createProject } from '../apply/project.ts';
import { parseBadgeMessage } from '../deliver/publish.ts';
import { createAct } from './act.ts';

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

const clock = createTestClock();
const actWith = (pubSub: PubSub = createLocalPubSub(), store = storage.store) =>
  createAct({ store, pubSub, clock, logger: silent });

let users = 0;
let offsets = 0;
async function createUser(): Promise<UserKey> {
  const key = { tenantId: 'default', userId: `user-${++users}` };
  await storage.store.transaction((transaction) => transaction.ensureUsers([key], testNow));
  return key;
}

/** Delivers `count` notifications in one batch. */
async function arrive(user: UserKey, count: number): Promise<void> {
  const { store } = storage;
  const project = createProject(
    { store, pubSub: createLocalPubSub(), clock, logger: silent },
    { retentionDays: 183 },
  );
  offsets += count;
  await project.apply(
    recordsOf(
      Array.from({ length: count }, () => notificationSent(user)),
      offsets,
    ),
  );
}

const inboxOf = async (user: UserKey) => (await storage.store.inboxes([user]))[0];

describe('opening the inbox', () => {
  it('marks every arrived notification as seen at the current time, and leaves these notifications unread', async () => {
    const user = await createUser();
    await arrive(user, 3);
    const opened = await actWith().openInbox(user, undefined);
    expect(opened).toEqual({
      badge: { ...user, key: 'notifications', unseen: 0, unread: 3, version: 4, asOf: testNow },
    });
    expect(await inboxOf(user)).toMatchObject({ unseen: 0, openedSeq: 3n, lastOpenedAt: testNow });
    const seen = (await storage.store.notifications(user, { first: 10 })).map(({ seenAt }) => seenAt);
    expect(seen).toEqual([testNow, testNow, testNow]);
  });

  it('leaves notifications unseen that arrived after `upToSeq`', async () => {
    const user = await createUser();
    await arrive(user, 5);
    expect(await actWith().openInbox(user, 3n)).toMatchObject({ badge: { unseen: 2 } });
    const unseen = (await storage.store.notifications(user, { first: 10 })).filter(
      ({ seenAt }) => seenAt === null,
    );
    expect(unseen.map(({ seq }) => Number(seq))).toEqual([5, 4]);
  });

  it('changes nothing if it is repeated, or if `upToSeq` is below the watermark or above the newest arrival', async () => {
    const user = await createUser();
    await arrive(user, 4);
    await actWith().openInbox(user, 3n);
    const once = await inboxOf(user);
    for (const upTo of [3n, 1n, 0n, -5n]) await actWith().openInbox(user, upTo);
    expect(await inboxOf(user)).toEqual(once);
    await actWith().openInbox(user, 9_223_372_036_854_775_807n);
    expect(await inboxOf(user)).toMatchObject({ openedSeq: 4n, unseen: 0 });
    await arrive(user, 1);
    expect(await inboxOf(user)).toMatchObject({ unseen: 1 });
  });

  it('does not change the badge of an empty inbox', async () => {
    const user = await createUser();
    expect(await actWith().openInbox(user, undefined)).toMatchObject({ badge: { unseen: 0, version: 0 } });
  });

  it('returns a problem for a user who does not exist, and creates nothing', async () => {
    const user = { tenantId: 'default', userId: 'nobody' };
    expect(await actWith().openInbox(user, undefined)).toMatchObject({ problem: { code: 'USER_NOT_FOUND' } });
    expect(await storage.store.users([user])).toEqual([]);
    expect(await storage.query('SELECT FROM inbox WHERE user_id = $1', [user.userId])).toEqual([]);
  });

  it('publishes after the commit, and a failed publish does not undo the change', async () => {
    const user = await createUser();
    await arrive(user, 2);
    const pubSub = observed(createLocalPubSub());
    await actWith(pubSub).openInbox(user, 1n);
    expect(pubSub.published.map(({ value }) => parseBadgeMessage(value))).toMatchObject([
      { cause: 'OPENED', badge: { ...user, unseen: 1, version: 3 } },
    ]);
    const broken: PubSub = { ...pubSub, publish: () => Promise.reject(new Error('nobody there')) };
    expect(await actWith(broken).openInbox(user, undefined)).toMatchObject({ badge: { unseen: 0 } });
    expect(await inboxOf(user)).toMatchObject({ unseen: 0, version: 4 });
  });

  it('publishes and stores nothing when the transaction fails', async () => {
    const user = await createUser();
    await arrive(user, 2);
    const before = await inboxOf(user);
    const pubSub = observed(createLocalPubSub());
    const store = withTransactions(storage.store, () => ({
      addOpening: () => Promise.reject(new Error('no')),
    }));
    await expect(actWith(pubSub, store).openInbox(user, undefined)).rejects.toThrow('no');
    expect(await inboxOf(user)).toEqual(before);
    expect(pubSub.published).toEqual([]);
  });

  it('never marks a notification above `upToSeq` as seen while notifications arrive, and the counters equal a recount', async () => {
    const user = await createUser();
    const step = fc.oneof(
      fc.record({ kind: fc.constant('arrive' as const), count: fc.integer({ min: 1, max: 3 }) }),
      fc.record({
        kind: fc.constant('show' as const),
        opens: fc.boolean(),
      }),
    );
    /** The highest `upToSeq` that any client has opened. */
    let shown = 0n;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 5 }), { minLength: 2, maxLength: 4 }),
        async (clients) => {
          await Promise.all(
            clients.map(async (steps) => {
              for (const one of steps) {
                if (one.kind === 'arrive') await arrive(user, one.count);
                else {
                  const [newest] = await storage.store.notifications(user, { first: 1 });
                  if (!one.opens || !newest?.seq) continue;
                  if (newest.seq > shown) shown = newest.seq;
                  const opened = await actWith().openInbox(user, newest.seq);
                  expect(opened).toHaveProperty('badge');
                }
              }
            }),
          );
          expect((await drift(storage.query)).filter(({ user_id }) => user_id === user.userId)).toEqual([]);
          expect((await inboxOf(user))?.openedSeq ?? 0n).toBe(shown);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('marks more notifications as seen if it ignores `upToSeq` (control: the check above can fail)', async () => {
    const user = await createUser();
    await arrive(user, 2);
    const [newest] = await storage.store.notifications(user, { first: 1 });
    await arrive(user, 1);
    await actWith().openInbox(user, undefined);
    expect((await inboxOf(user))?.openedSeq).not.toBe(newest?.seq);
  });

  it('corrects a wrong count of unseen notifications', async () => {
    const user = await createUser();
    await arrive(user, 3);
    await storage.query('UPDATE inbox SET unseen = 17 WHERE user_id = $1', [user.userId]);
    expect(await drift(storage.query)).toMatchObject([{ user_id: user.userId }]);
    expect(await actWith().openInbox(user, 2n)).toMatchObject({ badge: { unseen: 1 } });
    expect(await drift(storage.query)).toEqual([]);
  });
});

describe('upserting users', () => {
  it('creates and changes users, and returns which users were created', async () => {
    const user = await createUser();
    const patches = [
      { ...user, patch: { canReceiveNotifications: false } },
      { tenantId: 'default', userId: `user-${++users}`, patch: { timeZone: 'Europe/Berlin' } },
    ];
    expect((await actWith().upsertUsers(patches)).created).toEqual([false, true]);
    expect((await actWith().upsertUsers(patches)).created).toEqual([false, false]);
    expect(await storage.store.users([user])).toMatchObject([
      { canReceiveNotifications: false, timeZone: 'UTC' },
    ]);
  });
});
