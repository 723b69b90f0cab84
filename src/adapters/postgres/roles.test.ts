import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { createAct } from '../../flow/act.ts';
import { createConsume } from '../../flow/consume.ts';
import { createProject } from '../../flow/project.ts';
import { createRecord } from '../../flow/record.ts';
import { systemClock } from '../../ports/clock.ts';
import { silent } from '../../ports/logger.ts';
import { expiring } from '../../ports/store.ts';
import { onDatabase, withClient } from '../../testing/postgres-server.ts';
import { createLocalPubSub } from '../local/pub-sub.ts';
import { connect, type Database } from './connection.ts';
import { createPostgresEventLog } from './event-log.ts';
import { migrate, migrationsDirectory } from './migrate.ts';
import { createPostgresStore } from './store.ts';

// The lines that only psql understands set passwords, which the server of the tests does not ask for.
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
  it('have what their work needs', async () => {
    const api = open('unseen_api');
    const worker = open('unseen_worker');
    const common = { pubSub: createLocalPubSub(), clock: systemClock, logger: silent };
    const record = createRecord({ ...common, ...api }, { retentionDays: 183 });
    const act = createAct({ ...common, ...api });
    const project = createProject({ ...common, ...worker }, { retentionDays: 183 });
    const alice = { tenantId: 'default', userId: 'alice' };
    const service = {
      ...alice,
      subject: 'shop',
      role: 'service',
      expiresAt: new Date(Date.now() + 60_000),
    } as const;

    await act.upsertUsers([{ ...alice, patch: {} }]);
    const notification = { userId: 'alice', idempotencyKey: 'k-1', content: { title: 'Hello' } };
    const view = { userId: 'alice', name: 'Pricing', idempotencyKey: 'k-2', at: ['input'] };
    expect(await record.notification(service, 'sendNotification', notification)).toMatchObject({
      problems: [],
    });
    expect(await record.pageViews(service, 'recordPageView', [view])).toMatchObject({ problems: [] });
    await createConsume({ log: worker.log, project, logger: silent }).start();
    await vi.waitFor(async () => {
      expect(await api.store.countNotifications(alice, {})).toBe(1);
      expect(await api.store.countPageViews(alice, {})).toBe(1);
    });
    expect(await act.openInbox(alice, undefined)).toMatchObject({ badge: { unseen: 0, version: 2 } });
    const categories = [{ category: 'news', enabled: false }];
    expect(await act.updatePreferences(alice, { patch: {}, categories })).toHaveProperty('user');
    expect(await act.eraseUser(alice)).toBeUndefined();
    expect(await api.store.countPageViews(alice, {})).toBe(0);
    await worker.store.preparePageViews([new Date('2021-01-15T00:00:00Z')]);
    const activity = {
      ...alice,
      id: crypto.randomUUID(),
      activityType: 'click',
      occurredAt: new Date('2021-01-15T00:00:00Z'),
    };
    await worker.store.transaction((transaction) => transaction.addActivity([activity], new Date()));
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

  it.each([
    ['unseen_api', `INSERT INTO page_view SELECT * FROM page_view`],
    ['unseen_api', `SELECT create_page_view_partition('2032-01-01')`],
    ['unseen_api', `SELECT drop_old_partitions('page_view', now())`],
    ['unseen_api', `UPDATE user_activity_metrics SET unique_users = 0`],
    ['unseen_api', `DELETE FROM processed_event`],
    ['unseen_api', `CREATE TABLE mine (id int)`],
    ['unseen_api', `TRUNCATE event_log`],
    ['unseen_worker', `CREATE TABLE mine (id int)`],
    ['unseen_worker', `ALTER TABLE inbox ADD COLUMN mine int`],
    ['unseen_worker', `DROP TABLE page_view`],
    ['unseen_worker', `TRUNCATE event_log`],
  ])('have no more: %s may not %s', async (login, sql) => {
    await expect(withClient(as(login), (client) => client.query(sql))).rejects.toMatchObject({
      code: '42501',
    });
  });
});
