import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import type { UserKey } from '../../domain/user.ts';
import { topics } from '../../events/topic.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import {
  createTestClock,
  itemViewed,
  notificationSent,
  pageViewed,
  rawRecord,
  recordsOf,
  testNow,
} from '../../testing/event.ts';
import { observed, withTransactions } from '../../testing/faults.ts';
import { limitRecord, wireLimitEvent } from '../../testing/limit.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createProject } from '../apply/project.ts';
import { createRead } from '../read/read.ts';
import { createRecord } from '../record/record.ts';
import { createWatch } from '../watch/watch.ts';
import { createAct } from './act.ts';

const clock = createTestClock();
const pubSub = observed(createLocalPubSub());

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

let users = 0;
let offsets = 0;
const newUser = (): UserKey => ({ tenantId: 'default', userId: `erase-me-${++users}` });

const actOn = (store: Store = storage.store) => createAct({ store, pubSub, clock, logger: silent });
const projectOn = (store: Store = storage.store) =>
  createProject({ store, pubSub, clock, logger: silent }, { retentionDays: 183 });
const next = (events: Parameters<typeof recordsOf>[0]) => {
  offsets += events.length;
  return recordsOf(events, offsets - events.length + 1);
};
const arrive = (user: UserKey, count = 1) =>
  projectOn().apply(next(Array.from({ length: count }, () => notificationSent(user))));

/** Returns the tables that have a user_id column according to the catalog of PostgreSQL. */
async function tablesOfUsers(): Promise<readonly string[]> {
  const rows = await storage.query<{ name: string }>(`
    SELECT c.relname AS name FROM information_schema.columns
    JOIN pg_class AS c ON c.oid = format('%I.%I', table_schema, table_name)::regclass
    WHERE table_schema = 'public' AND column_name = 'user_id' AND relkind IN ('r', 'p') AND NOT relispartition
    ORDER BY 1`);
  return rows.map(({ name }) => name);
}

/**
 * Returns the rows of all tables that contain the user id in any column, each with its table name. Includes
 * bytea columns.
 */
async function rowsNaming({ userId }: UserKey): Promise<readonly string[]> {
  const tables = await storage.query<{ name: string }>(`
    SELECT relname AS name FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`);
  const hex = Buffer.from(userId).toString('hex');
  const found = await Promise.all(
    tables.map(({ name }) =>
      storage.query<{ row: string }>(
        `SELECT '${name} ' || t::text AS row FROM "${name}" AS t
         WHERE t::text ~ ($1 || '\\M') OR t::text LIKE '%' || $2 || '%'`,
        [userId, hex],
      ),
    ),
  );
  return found.flat().map(({ row }) => row);
}

/**
 * Inserts a row about a user into a table, with values for all of its columns. So the test also covers tables
 * that are added later.
 */
async function seed(table: string, { tenantId, userId }: UserKey): Promise<void> {
  const columns = await storage.query<{ name: string; type: string; udt: string }>(
    `SELECT column_name AS name, data_type AS type, udt_name AS udt FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER' AND is_identity = 'NO'`,
    [table],
  );
  const values = columns.map(({ name, type, udt }) => {
    if (name === 'tenant_id') return `'${tenantId}'`;
    if (name === 'user_id') return `'${userId}'`;
    // Only a delivered notification can have values in all columns.
    if (name === 'status' && table === 'notification') return `'DELIVERED'`;
    // A DAY bucket starts at midnight.
    if (name === 'bucket_start') return `'2026-11-20T00:00:00Z'`;
    if (type === 'USER-DEFINED') return `(enum_range(NULL::"${udt}"))[1]`;
    if (type === 'uuid') return 'gen_random_uuid()';
    if (type.startsWith('timestamp')) return `'2026-11-20T09:00:00Z'`;
    if (type === 'boolean') return 'true';
    if (type === 'jsonb' || type === 'ARRAY') return `'{}'`;
    if (/int|numeric/.test(type)) return '1';
    return `'x'`;
  });
  const names = columns.map(({ name }) => `"${name}"`).join(', ');
  await storage.query(`INSERT INTO "${table}" (${names}) VALUES (${values.join(', ')})`);
}

const rowsIn = async (table: string, { tenantId, userId }: UserKey) =>
  (await storage.query(`SELECT FROM "${table}" WHERE tenant_id = $1 AND user_id = $2`, [tenantId, userId]))
    .length;

describe('erasing a user', () => {
  it('removes every row of the user from all tables with a `user_id`, and no row of other users', async () => {
    await storage.store.preparePageViews([testNow]);
    const user = newUser();
    const others = [
      { ...user, tenantId: 'other' },
      { ...user, userId: `${user.userId}x` },
    ];
    const tables = await tablesOfUsers();
    expect(tables).toEqual(
      expect.arrayContaining(['app_user', 'inbox', 'page_view', 'user_activity_member']),
    );
    for (const table of tables) {
      for (const one of [user, ...others]) await seed(table, one);
    }
    expect(await actOn().eraseUser(user)).toBeUndefined();
    const tablesWith = async (holder: UserKey) => {
      const counts = await Promise.all(tables.map((table) => rowsIn(table, holder)));
      return tables.filter((_, index) => counts[index] !== 0);
    };
    expect(await tablesWith(user)).toEqual([]);
    for (const other of others) expect(await tablesWith(other)).toEqual(tables);
  });

  it('leaves no row in any table that names the user', async () => {
    const user = newUser();
    const other = newUser();
    const { store, database, connection } = storage;
    const log = createPostgresEventLog({ database, connection, logger: silent });
    const record = createRecord({ log, store, clock }, { retentionDays: 183 });
    for (const { userId } of [user, other]) {
      const caller = { tenantId: 'default', subject: userId, role: 'user', expiresAt: testNow } as const;
      const view = { userId, name: `Page of ${userId}`, idempotencyKey: 'k', at: ['input'] };
      expect(await record.pageViews(caller, 'recordPageView', [view])).toMatchObject({ problems: [] });
    }
    const key = `default/${user.userId}`;
    // A page view of last month is in another partition.
    const occurredAt = new Date('2026-10-10T00:00:00Z');
    await projectOn().apply(next([pageViewed(user), pageViewed({ ...user, occurredAt })]));
    await projectOn().apply(next([itemViewed(user)]));
    await arrive(user, 2);
    await actOn().openInbox(user, undefined);
    const choice = { category: 'news', enabled: false };
    await actOn().updatePreferences(user, { patch: {}, categories: [choice] });
    await projectOn().apply([limitRecord(wireLimitEvent('USER_LIMIT_RESET', 1, { ...user }), ++offsets)]);
    await projectOn().apply([{ ...rawRecord(`{ "user_id": "${user.userId}", `, ++offsets), key }]);
    await storage.store.transaction((transaction) =>
      transaction.addOutgoing(
        [{ topic: 'user-notification-created', key, value: Buffer.from(`to ${user.userId}`) }],
        testNow,
      ),
    );
    await log.send([{ topic: 'x.dlq', key, value: Buffer.from(user.userId), headers: { of: user.userId } }]);
    const before = await storage.query<{ n: number }>('SELECT count(*)::int AS n FROM event_log');
    const tables = new Set((await rowsNaming(user)).map((row) => row.split(' ')[0]));
    expect([...tables].sort()).toEqual([
      'app_user',
      'dead_letter',
      'early_item_view',
      'event_log',
      'idempotency_key',
      'inbox',
      'inbox_change',
      'inbox_opening',
      'item_view',
      'notification',
      'notification_preference',
      'outbox',
      'page_view',
      'user_limit',
      'user_limit_event',
    ]);
    const ofOther = await rowsNaming(other);
    expect(await actOn().eraseUser(user)).toBeUndefined();
    expect(await rowsNaming(user)).toEqual([]);
    expect(await rowsNaming(other)).toEqual(ofOther);
    // The log keeps the offsets of the erased records, and consumers skip these records because they have no
    // content.
    expect(await storage.query('SELECT count(*)::int AS n FROM event_log')).toEqual(before);
    const seen: (Uint8Array | null)[] = [];
    await log.consume('replay', [...Object.values(topics), 'x.dlq'], async (records) => {
      seen.push(...records.map(({ value }) => value));
    });
    await vi.waitFor(() => expect(seen).toHaveLength(before[0]?.n ?? -1));
    expect(seen.filter((value) => value !== null)).toHaveLength(1);
    await log.close();
  });

  it('reports that the user does not exist only if no data about the user is stored', async () => {
    const user = newUser();
    expect(await actOn().eraseUser(user)).toMatchObject({ code: 'USER_NOT_FOUND', path: ['userId'] });
    await projectOn().apply([{ ...rawRecord('poison', ++offsets), key: `default/${user.userId}` }]);
    expect(await actOn().eraseUser(user)).toBeUndefined();
    expect(await rowsNaming(user)).toEqual([]);
  });

  it('keeps all data if the transaction fails', async () => {
    const user = newUser();
    await projectOn().apply(next([pageViewed(user), notificationSent(user)]));
    const before = await rowsNaming(user);
    const published = pubSub.published.length;
    const store = withTransactions(storage.store, (transaction) => ({
      async eraseUser(key, logUpTo) {
        await transaction.eraseUser(key, logUpTo);
        throw new Error('no');
      },
    }));
    await expect(actOn(store).eraseUser(user)).rejects.toThrow('no');
    expect(await rowsNaming(user)).toEqual(before);
    expect(pubSub.published).toHaveLength(published);
  });
});

describe('erasing a user with many rows', () => {
  const many = 4_500;
  const rowsOf: Readonly<Record<string, string>> = {
    page_view: `(tenant_id, user_id, occurred_at, id, name, received_at)
      SELECT 'default', $1, '2026-11-20T09:00:00Z'::timestamptz + n / 3 * interval '1 s', gen_random_uuid(), 'x', now()`,
    user_activity: `(tenant_id, user_id, occurred_at, id, activity_type)
      SELECT 'default', $1, '2026-11-20T09:00:00Z', gen_random_uuid(), 'x'`,
    user_activity_member: `(tenant_id, granularity, bucket_start, user_id)
      SELECT DISTINCT 'default', one, date_trunc(one::text, '2026-11-20T00:00:00Z'::timestamptz + n * interval '1 minute', 'UTC'), $1`,
    inbox_opening: `(tenant_id, user_id, up_to_seq, opened_at) SELECT 'default', $1, -n, now()`,
    notification: `(tenant_id, user_id, id, seq, status, category, severity, title, created_at, delivered_at, read_at)
      SELECT 'default', $1, gen_random_uuid(), CASE WHEN n % 5 > 0 THEN 10 + n END,
        (CASE WHEN n % 5 > 0 THEN 'DELIVERED' ELSE 'SUPPRESSED' END)::notification_status, 'x', 'LOW', 'x', now(),
        CASE WHEN n % 5 > 0 THEN now() END, CASE WHEN n % 3 = 0 THEN now() END`,
    user_limit_event: `(tenant_id, user_id, user_limit_id, sequence_number, source, event_id, type, occurred_at, raw)
      SELECT 'default', $1, 'l', n / 2, 'x', n, 'x', now(), 'x'`,
    item_view: `(tenant_id, user_id, collection, item_id, viewed_at) SELECT 'default', $1, 'c' || n % 2, n, now()`,
    idempotency_key: `(tenant_id, caller, mutation, key, digest, created_at)
      SELECT 'default', 'user:' || $1, 'x', n, 'x', now()`,
    dead_letter: `(tenant_id, id, topic, partition, "offset", key, payload, error_code, error_message, attempts, failed_at)
      SELECT CASE WHEN n % 2 = 0 THEN 'default' ELSE '' END, gen_random_uuid(), $1, 0, n, 'default/' || $1, '', 'x', 'x', 1, now()`,
    outbox: `(topic, key, headers, created_at) SELECT 'x', 'default/' || $1, '{}', now()`,
  };

  async function fill({ userId }: UserKey): Promise<void> {
    for (const [table, rows] of Object.entries(rowsOf)) {
      const levels = table === 'user_activity_member' ? ', unnest(enum_range(NULL::granularity)) AS one' : '';
      await storage.query(`INSERT INTO ${table} ${rows} FROM generate_series(1, ${many}) AS n${levels}`, [
        userId,
      ]);
    }
    await storage.query(
      `UPDATE inbox SET last_seq = 10 + ${many}, unseen = own.unseen, unread = own.unread FROM (
         SELECT count(*) FILTER (WHERE seen_at IS NULL) AS unseen, count(*) FILTER (WHERE read_at IS NULL) AS unread
         FROM notification WHERE user_id = $1 AND status = 'DELIVERED') AS own WHERE user_id = $1`,
      [userId],
    );
  }

  const countOf = async (user: UserKey, table: string) =>
    (await rowsNaming(user)).filter((row) => row.startsWith(`${table} `)).length;

  it('removes most rows in steps, so that the transaction that blocks other writers removes only a few', async () => {
    const user = newUser();
    await storage.store.preparePageViews([testNow]);
    await projectOn().apply(next([pageViewed(user), notificationSent(user)]));
    await fill(user);
    const left: Record<string, number> = {};
    const store = withTransactions(storage.store, (transaction) => ({
      async eraseUser(key, logUpTo) {
        for (const table of Object.keys(rowsOf)) left[table] = await countOf(user, table);
        return transaction.eraseUser(key, logUpTo);
      },
    }));
    expect(await actOn(store).eraseUser(user)).toBeUndefined();
    expect(Object.keys(left)).toEqual(Object.keys(rowsOf));
    for (const [table, rows] of Object.entries(left)) expect([table, rows <= 2_000]).toEqual([table, true]);
    expect(await rowsNaming(user)).toEqual([]);
  });

  it('leaves correct badges with newer versions if it is interrupted, and the next call completes the erasure', async () => {
    const user = newUser();
    await projectOn().apply(next([pageViewed(user), notificationSent(user)]));
    await fill(user);
    const [before] = await storage.store.inboxes([user]);
    let steps = 0;
    const cut = withTransactions(storage.store, (transaction) => ({
      async eraseSome(key, options) {
        const step = await transaction.eraseSome(key, options);
        steps += 1;
        if ((await countOfNotifications()) < 2_000) throw new Error('cut off');
        return step;
      },
    }));
    const countOfNotifications = async () =>
      (await storage.query('SELECT FROM notification WHERE user_id = $1', [user.userId])).length;
    await expect(actOn(cut).eraseUser(user)).rejects.toThrow('cut off');
    expect(steps).toBeGreaterThan(10);
    const [recounted] = await storage.store.recount([user]);
    expect(recounted?.counts).toEqual({ unseen: recounted?.inbox.unseen, unread: recounted?.inbox.unread });
    expect(recounted?.inbox.version).toBeGreaterThan(before?.version ?? 0);
    expect(recounted?.inbox.unseen).toBeLessThan(before?.unseen ?? 0);
    expect(await actOn().eraseUser(user)).toBeUndefined();
    expect(await rowsNaming(user)).toEqual([]);
  });
});

describe('the badge of an erased user', () => {
  /** Starts a watcher and collects the badges that it receives. */
  async function watching(user: UserKey) {
    const { store } = storage;
    const read = createRead({ store, clock });
    const watch = createWatch({ read, pubSub, clock, logger: silent }, { resyncMs: 3_600_000 });
    const updates = await watch.badges(user, ['notifications']);
    const seen: { unseen: number; version: number; cause: string | null }[] = [];
    void (async () => {
      for await (const { badge, cause } of updates)
        seen.push({ unseen: badge.unseen, version: badge.version, cause });
    })();
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    return { seen, resync: watch.resync, end: () => updates.return?.() };
  }

  it('becomes 0 for all watchers, and its versions continue when the user is created again', async () => {
    const user = newUser();
    await projectOn().apply(next([pageViewed(user)]));
    await arrive(user, 3);
    const { seen, resync, end } = await watching(user);
    await actOn().eraseUser(user);
    const version = (seen[0]?.version ?? 0) + 1;
    await vi.waitFor(() => expect(seen.at(-1)).toEqual({ unseen: 0, version, cause: 'RESYNCED' }));
    await resync();
    expect(seen).toHaveLength(2);
    await projectOn().apply(next([pageViewed(user), notificationSent(user)]));
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ unseen: 1, cause: 'ARRIVED' }));
    expect(seen.at(-1)?.version).toBeGreaterThan(version);
    await end();
  });

  it('becomes 0 for watchers even if the message was lost', async () => {
    const user = newUser();
    await projectOn().apply(next([pageViewed(user), notificationSent(user)]));
    const { seen, resync, end } = await watching(user);
    pubSub.lose = true;
    await actOn().eraseUser(user);
    pubSub.lose = false;
    expect(seen).toHaveLength(1);
    await resync();
    await vi.waitFor(() => expect(seen.at(-1)).toMatchObject({ unseen: 0, cause: 'RESYNCED' }));
    await end();
  });

  it('has increasing versions during arrivals, openings and erasures of several users', async () => {
    const few = [newUser(), newUser(), newUser()];
    const newest = new Map<UserKey, number>();
    const step = fc.tuple(fc.constantFrom(...few), fc.constantFrom('arrive', 'open', 'erase'));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
        for (const [user, what] of steps) {
          if (what === 'erase') await actOn().eraseUser(user);
          else if (what === 'open') await actOn().openInbox(user, undefined);
          else await projectOn().apply(next([pageViewed(user), notificationSent(user)]));
          const [inbox] = await storage.store.inboxes([user]);
          const version = inbox?.version ?? -1;
          expect(version).toBeGreaterThanOrEqual(newest.get(user) ?? 0);
          // Two states never have the same version, so an arrival must have a new version.
          if (what === 'arrive') expect(version).toBeGreaterThan(newest.get(user) ?? 0);
          newest.set(user, version);
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('erasing a user while events about the user are applied', () => {
  /** Resolves when `count` database sessions wait for a lock. */
  const areWaiting = (count: number) =>
    vi.waitFor(
      async () =>
        expect(
          await storage.query(
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          ),
        ).toHaveLength(count),
      { timeout: 1_500, interval: 5 },
    );
  const gate = () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    return { open, opened };
  };
  const events = (user: UserKey) => [pageViewed(user), notificationSent(user)];

  it('waits for the transaction of the events, and removes the rows that it wrote', async () => {
    const user = newUser();
    await projectOn().apply(next(events(user)));
    const { open, opened } = gate();
    const reached = gate();
    const slow = withTransactions(storage.store, (transaction) => ({
      async lockInboxes(keys, now) {
        const locked = await transaction.lockInboxes(keys, now);
        reached.open();
        await opened;
        return locked;
      },
    }));
    const applied = projectOn(slow).apply(next(events(user)));
    await reached.opened;
    const erased = actOn().eraseUser(user);
    await areWaiting(1);
    open();
    await applied;
    expect(await erased).toBeUndefined();
    expect(await rowsNaming(user)).toEqual([]);
  });

  it('waits for a transaction that changes preferences', async () => {
    const user = newUser();
    await projectOn().apply(next(events(user)));
    const { open, opened } = gate();
    const reached = gate();
    const slow = withTransactions(storage.store, (transaction) => ({
      async lockUsers(keys) {
        const locked = await transaction.lockUsers(keys);
        reached.open();
        await opened;
        return locked;
      },
    }));
    const categories = [{ category: 'news', enabled: false }];
    const preferred = actOn(slow).updatePreferences(user, { patch: {}, categories });
    await reached.opened;
    const erased = actOn().eraseUser(user);
    await areWaiting(1);
    open();
    expect(await preferred).toHaveProperty('user');
    expect(await erased).toBeUndefined();
    expect(await rowsNaming(user)).toEqual([]);
  });

  it('makes later events wait until the user is erased, so no row of a notification remains', async () => {
    const user = newUser();
    await projectOn().apply(next(events(user)));
    const { open, opened } = gate();
    const reached = gate();
    const slow = withTransactions(storage.store, (transaction) => ({
      async eraseUser(key, logUpTo) {
        const erasure = await transaction.eraseUser(key, logUpTo);
        reached.open();
        await opened;
        return erasure;
      },
    }));
    const erased = actOn(slow).eraseUser(user);
    await reached.opened;
    const applied = projectOn().apply(next([notificationSent(user)]));
    const preferred = actOn().updatePreferences(user, {
      patch: {},
      categories: [{ category: 'news', enabled: false }],
    });
    await areWaiting(2);
    open();
    expect(await erased).toBeUndefined();
    await applied;
    expect(await preferred).toMatchObject({ problem: { code: 'USER_NOT_FOUND' } });
    // The events after the erasure belong to a new user with the same id and wait until this user exists.
    expect(await rowsNaming(user)).toEqual([expect.stringMatching(/^waiting_record /)]);
    expect(await actOn().eraseUser(user)).toBeUndefined();
    expect(await rowsNaming(user)).toEqual([]);
  });
});
