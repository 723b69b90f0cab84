import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresStore } from '../../adapters/postgres/store.ts';
import type { UserKey } from '../../domain/user.ts';
import { encode } from '../../events/codec.ts';
import type { Event } from '../../events/event.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { Store } from '../../ports/store/store.ts';
import {
  activityRecorded,
  createTestClock,
  notificationSent,
  pageViewed,
  rawRecord,
  recordsOf,
  testNow,
} from '../../testing/event.ts';
import { observed, withTransactions } from '../../testing/faults.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { badgeTopic, parseBadgeMessage } from '../deliver/publish.ts';
import { createProject } from './project.ts';

const retentionDays = 183;

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

function projectOn(store: Store, pubSub: PubSub = createLocalPubSub(), clock = createTestClock()) {
  return createProject({ store, pubSub, clock, logger: silent }, { retentionDays });
}

let users = 0;
/** Creates a user that no other test uses. */
async function someone(fields: { canReceiveNotifications?: boolean } = {}): Promise<UserKey> {
  const key = { tenantId: 'default', userId: `user-${++users}` };
  await storage.store.transaction((transaction) =>
    transaction.patchUsers([{ ...key, patch: fields }], testNow),
  );
  return key;
}

let offsets = 0;
/** Returns a record for each event, at offsets that no other test uses. */
function fresh(events: readonly Event[]): readonly LogRecord[] {
  offsets += events.length;
  return recordsOf(events, offsets - events.length + 1);
}

/** Returns the numbers of page views and notifications of a user. */
async function stateOf(key: UserKey) {
  const [inbox] = await storage.store.inboxes([key]);
  return {
    views: await storage.store.countPageViews(key, {}),
    notifications: (await storage.store.notifications(key, { first: 1_000 })).length,
    unseen: inbox?.unseen ?? 0,
    unread: inbox?.unread ?? 0,
    version: inbox?.version ?? 0,
  };
}

const deadLettersAt = (records: readonly LogRecord[]) =>
  storage.query<{
    offset: string;
    tenant_id: string;
    topic: string;
    payload: Buffer;
    error_code: string;
    error_message: string;
  }>('SELECT * FROM dead_letter WHERE "offset" = ANY($1) ORDER BY "offset"', [
    records.map(({ offset }) => String(offset)),
  ]);

describe('an event', () => {
  /**
   * Applies the records of 3 views and 2 notifications several times. Resolves to whether each of them counts
   * once.
   */
  async function countsOnce(store: Store): Promise<boolean> {
    const key = await someone();
    const events = [
      pageViewed(key),
      notificationSent(key),
      pageViewed(key),
      notificationSent(key),
      pageViewed(key),
    ];
    const project = projectOn(store);
    const twice = fresh([...events, ...events]);
    await project.apply(twice);
    await project.apply(twice);
    await project.apply(fresh(events.toReversed()));
    const { views, notifications, unseen, unread, version } = await stateOf(key);
    return `${[views, notifications, unseen, unread, version]}` === '3,2,2,2,2';
  }

  it('is applied exactly once if it is repeated in a batch, in a later batch, or at other offsets', async () => {
    expect(await countsOnce(storage.store)).toBe(true);
  });

  it('is applied again if the row that records that it was applied is removed (control)', async () => {
    const forgetful = withTransactions(storage.store, () => ({
      claimEvents: async (events) => events.map(() => true),
    }));
    await expect(countsOnce(forgetful)).rejects.toThrow(/Unique|duplicate/);
    // The check detects a second application even if the tables have no unique keys.
    const careless = withTransactions(forgetful, () => ({
      addPageViews: async () => {},
      addNotifications: async () => {},
    }));
    expect(await countsOnce(careless)).toBe(false);
  });

  it('is applied exactly once by several workers with overlapping batches', async () => {
    const workers = [
      storage.store,
      createPostgresStore(storage.connectAgain()),
      createPostgresStore(storage.connectAgain()),
    ].map((store) => projectOn(store));
    const slice = fc.tuple(fc.nat(39), fc.nat(39), fc.boolean());
    const batches = fc.array(fc.array(slice, { minLength: 1, maxLength: 3 }), { minLength: 3, maxLength: 3 });
    const ids = new Set<string>();
    await fc.assert(
      fc.asyncProperty(batches, async (perWorker) => {
        const keys = [await someone(), await someone()] as const;
        for (const { userId } of keys) ids.add(userId);
        const events = Array.from({ length: 40 }, (_, n) => {
          const key = keys[n % 3 === 0 ? 0 : 1];
          return n % 2 ? notificationSent(key) : pageViewed(key);
        });
        const records = fresh(events);
        await Promise.all(
          workers.map(async (worker, w) => {
            for (const [a, b, reversed] of perWorker[w] ?? []) {
              const batch = records.slice(Math.min(a, b), Math.max(a, b) + 1);
              await worker.apply(reversed ? batch.toReversed() : batch);
            }
          }),
        );
        await workers[0]?.apply(records);
        for (const key of keys) {
          const own = events.filter(({ userId }) => userId === key.userId);
          const sent = own.filter(({ type }) => type === 'notificationSent').length;
          expect(await stateOf(key)).toEqual({
            views: own.length - sent,
            notifications: sent,
            unseen: sent,
            unread: sent,
            version: sent,
          });
        }
      }),
      { numRuns: 25 },
    );
    expect((await drift(storage.query)).filter(({ user_id }) => ids.has(user_id))).toEqual([]);
  });

  it('is applied exactly once for each source if its id is not a UUID', async () => {
    const key = await someone();
    const event = notificationSent({ ...key, id: 'order-7' });
    const records = fresh([event, { ...event, source: 'crm' }, event, { ...event, source: 'crm' }]);
    await projectOn(storage.store).apply(records);
    expect(await stateOf(key)).toMatchObject({ notifications: 2, unseen: 2 });
  });
});

describe('an unreadable record', () => {
  it('becomes a dead letter with its bytes, place and reason, and the later records are applied', async () => {
    const key = await someone();
    const poison: readonly [bytes: Uint8Array, reason: string, tenant: string][] = [
      [Buffer.from('{ not json'), 'not JSON', ''],
      [Buffer.alloc(0), 'not JSON', ''],
      [Buffer.from([0xff, 0x00, 0xfe]), 'not UTF-8', ''],
      [Buffer.from('[]'), 'must be a JSON object', ''],
      [Buffer.from(JSON.stringify({ ...pageViewed(key), userId: 7 })), 'userId: ', ''],
      [Buffer.from(JSON.stringify({ ...pageViewed(key), data: {} })), 'data.name: ', 'default'],
      [Buffer.from(JSON.stringify({ ...pageViewed(key), type: 'constructor' })), 'type: ', 'default'],
      [
        Buffer.from(JSON.stringify({ ...notificationSent(key), data: { title: '' } })),
        'data.title: ',
        'default',
      ],
      [Buffer.alloc(1_000_000, 0x61), 'not JSON', ''],
      [
        Buffer.from(encode(pageViewed({ ...key, occurredAt: new Date('2026-11-21T09:00:00.001Z') }))),
        'occurredAt: ',
        'default',
      ],
    ];
    const bad = poison.map(([bytes]) => rawRecord(bytes, ++offsets));
    const good = fresh([pageViewed(key), notificationSent(key)]);
    const project = projectOn(storage.store);
    for (let delivery = 0; delivery < 2; delivery += 1) await project.apply([...bad, ...good]);

    expect(await stateOf(key)).toMatchObject({ views: 1, notifications: 1 });
    const kept = await deadLettersAt(bad);
    expect(kept).toMatchObject(
      poison.map(([, reason, tenant], n) => ({
        tenant_id: tenant,
        topic: 'incoming.user_activity',
        partition: 0,
        offset: String(bad[n]?.offset),
        key: 'default/alice',
        error_code: 'MALFORMED_EVENT',
        error_message: expect.stringContaining(reason),
        attempts: 1,
      })),
    );
    for (const [n, [bytes]] of poison.entries()) expect(kept[n]?.payload.equals(bytes)).toBe(true);
  });

  it('is skipped without a dead letter only if it has no content', async () => {
    const records = [rawRecord(null, ++offsets)];
    await projectOn(storage.store).apply(records);
    expect(await deadLettersAt(records)).toEqual([]);
  });

  it('stops the whole batch if its version is newer than this worker knows', async () => {
    const key = await someone();
    const newer = rawRecord(JSON.stringify({ ...pageViewed(key), schemaVersion: 2 }), ++offsets);
    const records = [...fresh([pageViewed(key)]), newer];
    await expect(projectOn(storage.store).apply(records)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await stateOf(key)).toMatchObject({ views: 0 });
    expect(await deadLettersAt(records)).toEqual([]);
  });
});

describe('page views', () => {
  it('create their user, and are skipped if they are older than the retention', async () => {
    const key = { tenantId: 'default', userId: `user-${++users}` };
    const tooOld = pageViewed({
      ...key,
      occurredAt: new Date(testNow.getTime() - retentionDays * 86_400_000 - 1),
    });
    const oldest = pageViewed({
      ...key,
      occurredAt: new Date(testNow.getTime() - retentionDays * 86_400_000),
    });
    await projectOn(storage.store).apply(fresh([tooOld, oldest]));
    expect(await storage.store.users([key])).toMatchObject([key]);
    expect(await stateOf(key)).toMatchObject({ views: 1 });
  });

  it('are stored even if the clock of their producer is some hours ahead', async () => {
    const key = await someone();
    const ahead = new Date(testNow.getTime() + 2 * 3_600_000);
    const records = fresh([pageViewed({ ...key, occurredAt: ahead })]);
    await projectOn(storage.store).apply(records);
    expect(await storage.store.pageViews(key, { first: 1 })).toMatchObject([
      { occurredAt: ahead, receivedAt: testNow },
    ]);
    expect(await deadLettersAt(records)).toEqual([]);
  });

  it('create the partitions of several months in one batch', async () => {
    const key = await someone();
    const days = [0, 40, 80, 120, 160];
    const events = days.map((day) =>
      pageViewed({ ...key, occurredAt: new Date(testNow.getTime() - day * 86_400_000) }),
    );
    await Promise.all([
      projectOn(storage.store).apply(fresh(events)),
      projectOn(createPostgresStore(storage.connectAgain())).apply(fresh(events)),
    ]);
    expect(await stateOf(key)).toMatchObject({ views: days.length });
  });
});

describe('other activities', () => {
  it('create no user and no other row', async () => {
    const user = { tenantId: 'default', userId: 'clicker' };
    const project = projectOn(storage.store);
    await project.apply(fresh([activityRecorded(user)]));
    expect(await storage.store.users([user])).toEqual([]);
    expect(project.ignoredRecords()).toBe(1);
  });
});

describe('notifications', () => {
  it('are delivered in the order of the log, with consecutive sequence numbers', async () => {
    const key = await someone();
    const titles = Array.from({ length: 12 }, (_, n) => `number ${n}`);
    const events = titles.map((title) =>
      notificationSent({ ...key, data: { ...notificationSent().data, title } }),
    );
    await projectOn(storage.store).apply(fresh(events.slice(0, 7)));
    await projectOn(storage.store).apply(fresh(events.slice(7)));
    const inbox = await storage.store.notifications(key, { first: 100 });
    expect(inbox.toReversed().map(({ seq, title }) => [Number(seq), title])).toEqual(
      titles.map((title, n) => [n + 1, title]),
    );
  });

  it('are suppressed if their user has opted out, and still do not count after the user opts in', async () => {
    const key = await someone({ canReceiveNotifications: false });
    const event = notificationSent(key);
    const project = projectOn(storage.store);
    await project.apply(fresh([event]));
    await storage.store.transaction((transaction) =>
      transaction.patchUsers([{ ...key, patch: { canReceiveNotifications: true } }], testNow),
    );
    await project.apply(fresh([event]));
    expect(await stateOf(key)).toEqual({ views: 0, notifications: 0, unseen: 0, unread: 0, version: 0 });
    expect(await storage.store.notification('default', event.id)).toMatchObject({
      status: 'SUPPRESSED',
      seq: null,
    });
    await project.apply(fresh([notificationSent(key)]));
    expect(await stateOf(key)).toMatchObject({ notifications: 1, unseen: 1 });
  });

  it('wait if their user does not exist, and the rest of the batch is applied', async () => {
    const known = await someone();
    const unknown = { tenantId: 'default', userId: `user-${++users}` };
    await projectOn(storage.store).apply(
      fresh([notificationSent(unknown), pageViewed(known), notificationSent(known)]),
    );
    expect(await stateOf(known)).toMatchObject({ views: 1, unseen: 1 });
    expect(await storage.query('SELECT FROM inbox WHERE user_id = $1', [unknown.userId])).toEqual([]);
    expect(
      await storage.query('SELECT FROM waiting_record WHERE user_id = $1', [unknown.userId]),
    ).toHaveLength(1);
  });

  it('are delivered per tenant, even if tenants have the same user id and event id', async () => {
    const { userId } = await someone();
    const other = { tenantId: 'other', userId };
    const event = notificationSent({ userId });
    await projectOn(storage.store).apply(fresh([pageViewed(other), event, { ...event, tenantId: 'other' }]));
    expect(await stateOf({ tenantId: 'default', userId })).toMatchObject({ views: 0, unseen: 1 });
    expect(await stateOf(other)).toMatchObject({ views: 1, unseen: 1 });
  });
});

describe('badges', () => {
  const topicOf = (key: UserKey) => badgeTopic(key, 'notifications');

  it('are published after the commit, with one complete badge for each user of the batch', async () => {
    const [a, b] = [await someone(), await someone()];
    const pubSub = createLocalPubSub();
    const seen: unknown[] = [];
    const listening = pubSub.subscribe([topicOf(a), topicOf(b)], ({ value }) => {
      const badge = parseBadgeMessage(value)?.badge;
      // Another connection reads the inboxes at the moment of the message.
      seen.push(storage.store.inboxes([a, b]).then((inboxes) => ({ badge, inboxes })));
    });
    await projectOn(storage.store, pubSub).apply(
      fresh([notificationSent(a), notificationSent(b), notificationSent(a)]),
    );
    const states = (await Promise.all(seen)) as {
      badge: { userId: string; version: number };
      inboxes: { userId: string; version: number }[];
    }[];
    expect(states.map(({ badge }) => badge)).toMatchObject([
      { ...a, key: 'notifications', unseen: 2, unread: 2, version: 2, asOf: testNow },
      { ...b, key: 'notifications', unseen: 1, unread: 1, version: 1, asOf: testNow },
    ]);
    for (const { badge, inboxes } of states) {
      expect(inboxes.find(({ userId }) => userId === badge.userId)?.version).toBe(badge.version);
    }
    listening.end();
  });

  it('are not published if the transaction fails', async () => {
    const key = await someone();
    const pubSub = observed(createLocalPubSub());
    const failing = withTransactions(storage.store, () => ({
      saveInboxes: () => Promise.reject(new Error('no')),
    }));
    await expect(projectOn(failing, pubSub).apply(fresh([notificationSent(key)]))).rejects.toThrow('no');
    expect(pubSub.published).toEqual([]);
    expect(await stateOf(key)).toMatchObject({ notifications: 0, unseen: 0 });
  });

  it('are published again for repeated events, because a crash may have lost the first message', async () => {
    const key = await someone();
    const pubSub = observed(createLocalPubSub());
    const project = projectOn(storage.store, pubSub);
    const records = fresh([notificationSent(key)]);
    await project.apply(records);
    await project.apply(records);
    const badges = pubSub.published.map(({ value }) => parseBadgeMessage(value)?.badge);
    expect(badges).toHaveLength(2);
    expect(badges[1]).toEqual(badges[0]);
    expect(badges[0]).toMatchObject({ ...key, unseen: 1, version: 1 });
  });

  it('do not undo the commit if they cannot be published', async () => {
    const key = await someone();
    const broken: PubSub = {
      ...createLocalPubSub(),
      publish: () => Promise.reject(new Error('The broker is away, says the test.')),
    };
    await projectOn(storage.store, broken).apply(fresh([notificationSent(key)]));
    expect(await stateOf(key)).toMatchObject({ notifications: 1, unseen: 1 });
  });
});
