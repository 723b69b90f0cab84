import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { horizonAt } from '../../../domain/item.ts';
import { createAct } from '../../../flow/act/act.ts';
import { createItems } from '../../../flow/act/items.ts';
import { createConsume } from '../../../flow/apply/consume.ts';
import { createProject } from '../../../flow/apply/project.ts';
import { createRecord } from '../../../flow/record/record.ts';
import { systemClock } from '../../../ports/clock.ts';
import { silent } from '../../../ports/logger.ts';
import { expiring } from '../../../ports/store/retention.ts';
import { onDatabase, withClient } from '../../../testing/postgres-server.ts';
import { createLocalPubSub } from '../../local/pub-sub.ts';
import { connect, type Database } from '../connection.ts';
import { createPostgresEventLog } from '../log/event-log.ts';
import { bindToLog } from '../log/log-in-use.ts';
import { createPostgresStore } from '../store.ts';
import { migrate, migrationsDirectory } from './migrate.ts';

// The commands of psql are removed. They set passwords, and the server of the tests requires none.
const rolesSql = readFileSync('prisma/roles.sql', 'utf8').replaceAll(/^\\if.*?^\\endif$/gms, '');
const server = inject('postgres').connectionString;
const name = `unseen_roles_${randomBytes(4).toString('hex')}`;
const opened: Database[] = [];

function as(login: string): string {
  const url = new URL(onDatabase(server, name));
  url.username = login;
  return url.href;
}

function open(login: string) {
  const connection = { connectionString: as(login) };
  const database = connect(connection, { maxConnections: 3 });
  opened.push(database);
  return {
    database,
    store: createPostgresStore(database, { holdsLog: true }),
    log: createPostgresEventLog({ database, connection, logger: silent }),
  };
}

const applyRoles = () => withClient(onDatabase(server, name), (client) => client.query(rolesSql));

beforeAll(async () => {
  await withClient(server, (client) => client.query(`CREATE DATABASE ${name}`));
  await applyRoles();
  await withClient(as('unseen_migrations'), (client) => migrate(client, { directory: migrationsDirectory }));
  await applyRoles();
});
afterAll(async () => {
  for (const database of opened) await database.close();
  await withClient(server, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
});

describe('the logins of prisma/roles.sql', () => {
  it('have the rights that their work needs', async () => {
    const api = open('unseen_api');
    const worker = open('unseen_worker');
    const common = { pubSub: createLocalPubSub(), clock: systemClock, logger: silent };
    const record = createRecord({ ...common, ...api }, { retentionDays: 183 });
    const percents = [80, 100];
    const limitThresholds = {
      BALANCE: percents,
      BET: percents,
      DEPOSIT: percents,
      LOSS: percents,
      SESSION: percents,
      UNKNOWN: percents,
    };
    const act = createAct({ ...common, ...api }, { limitThresholds });
    const project = createProject({ ...common, ...worker }, { retentionDays: 183 });
    const alice = { tenantId: 'default', userId: 'alice' };
    const service = {
      ...alice,
      subject: 'shop',
      role: 'service',
      expiresAt: new Date(Date.now() + 60_000),
    } as const;

    for (const { database } of [api, worker])
      await bindToLog(database.pool, { kind: 'postgres', namespace: '' });
    await act.upsertUsers([{ ...alice, patch: {} }]);
    const notification = { userId: 'alice', idempotencyKey: 'k-1', content: { title: 'Hello' } };
    const view = { userId: 'alice', name: 'Pricing', idempotencyKey: 'k-2', at: ['input'] };
    expect(await record.notification(service, 'sendNotification', notification)).toMatchObject({
      problems: [],
    });
    expect(await record.pageViews(service, 'recordPageView', [view])).toMatchObject({ problems: [] });
    const news = { tenantId: 'default', collection: 'news' };
    const items = createItems({ ...common, ...api }, { retentionDays: 183 });
    expect(await items.publish(news, [{ itemId: 'a' }, { itemId: 'b' }])).toMatchObject({ problems: [] });
    expect(await items.retract(news, ['b'])).toMatchObject({ problems: [] });
    const seen = { userId: 'alice', collection: 'news', itemIds: ['a'] };
    expect(await record.itemViews(service, seen)).toMatchObject({ problems: [] });
    await createConsume({ log: worker.log, project, logger: silent }).start();
    await vi.waitFor(async () => {
      expect(await api.store.countNotifications(alice, {})).toBe(1);
      expect(await api.store.countPageViews(alice, {})).toBe(1);
      const [badge] = await api.store.itemBadges([{ ...alice, ...news }], horizonAt(new Date(), 183));
      expect(badge).toMatchObject({ unseen: 0, version: 3 });
    });
    expect(await act.openInbox(alice, undefined)).toMatchObject({ badge: { unseen: 0, version: 2 } });
    // After a year the horizon is later than `counted_from`, so the reader updates `counted_from`.
    const later = horizonAt(new Date(Date.now() + 365 * 86_400_000), 183);
    expect(await api.store.itemBadges([{ ...alice, ...news }], later)).toMatchObject([{ version: 4 }]);
    expect(await worker.store.expire('itemViews', later.now, { dryRun: false })).toBe(1);
    const categories = [{ category: 'news', enabled: false }];
    expect(await act.updatePreferences(alice, { patch: {}, categories })).toHaveProperty('user');
    const limit = { brandId: 'b', type: 'BET', period: 'DAY', value: '10' } as const;
    const created = await act.createUserLimit(service, { ...limit, userId: 'alice', userLimitId: 'limit-1' });
    expect(created).toHaveProperty('limit');
    const used = await act.updateUserLimitProgress(service, { userLimitId: 'limit-1', amount: '10' }, 'k-3');
    expect(used).toMatchObject({ limit: { change: { amount: '10' } } });
    expect(await act.eraseUser(alice)).toBeUndefined();
    expect(await api.store.countPageViews(alice, {})).toBe(0);
    await worker.store.preparePageViews([new Date('2021-01-15T00:00:00Z')]);
    const activity = {
      ...alice,
      id: crypto.randomUUID(),
      activityType: 'click',
      occurredAt: new Date('2021-01-15T00:00:00Z'),
    };
    await worker.store.transaction(async (transaction) => {
      await transaction.addActivity(await transaction.keepActivity([activity]), new Date());
    });
    expect(
      await api.store.activityBuckets([{ ...alice, granularity: 'DAY', start: activity.occurredAt }]),
    ).toHaveLength(1);
    expect(await act.eraseUser(alice)).toBeUndefined();
    for (const kind of expiring)
      await worker.store.expire(kind, new Date('2022-01-01T00:00:00Z'), { dryRun: false });
    expect(
      await api.store.activityBuckets([{ ...alice, granularity: 'DAY', start: activity.occurredAt }]),
    ).toEqual([]);
    await worker.log.close();
  });

  it('cannot migrate without the right to migrate, and leave nothing that blocks a later migration', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'unseen-migrations-'));
    mkdirSync(join(directory, '9_new'));
    writeFileSync(join(directory, '9_new', 'migration.sql'), 'ALTER TABLE inbox ADD COLUMN mine int');
    for (const login of ['unseen_api', 'unseen_worker']) {
      await expect(withClient(as(login), (client) => migrate(client, { directory }))).rejects.toMatchObject({
        code: 'START_REFUSED',
        message: expect.stringMatching(
          /must be owner of table inbox\. .*`unseen migrate` with a login that has the right/,
        ),
      });
    }
    const { applied } = await withClient(as('unseen_migrations'), (client) => migrate(client, { directory }));
    expect(applied).toEqual(['9_new']);
    rmSync(directory, { recursive: true });
  });

  it.each([
    ['unseen_api', `INSERT INTO page_view SELECT * FROM page_view`],
    ['unseen_api', `SELECT create_page_view_partition('2032-01-01')`],
    ['unseen_api', `SELECT drop_old_partitions('page_view', now())`],
    ['unseen_api', `UPDATE user_activity_metrics SET unique_users = 0`],
    ['unseen_api', `DELETE FROM processed_event`],
    ['unseen_api', `UPDATE log_in_use SET kind = 'kafka'`],
    ['unseen_api', `INSERT INTO item_view SELECT * FROM item_view`],
    ['unseen_api', `CREATE TABLE mine (id int)`],
    ['unseen_api', `TRUNCATE event_log`],
    ['unseen_worker', `CREATE TABLE mine (id int)`],
    ['unseen_worker', `ALTER TABLE inbox ADD COLUMN mine int`],
    ['unseen_worker', `DROP TABLE page_view`],
    ['unseen_worker', `TRUNCATE event_log`],
  ])('have no other rights: %s may not run %s', async (login, sql) => {
    await expect(withClient(as(login), (client) => client.query(sql))).rejects.toMatchObject({
      code: '42501',
    });
  });
});
