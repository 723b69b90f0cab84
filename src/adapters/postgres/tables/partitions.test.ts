import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestStorage, type TestStorage } from '../../../testing/storage.ts';

let storage: TestStorage;
beforeEach(async () => {
  storage = await openTestStorage();
});
afterEach(() => storage.close());

const month = (n: number) => new Date(Date.UTC(2026, n - 1, 15));
const june = new Date('2026-06-01T00:00:00Z');
const partitionsOf = async (parent: string) =>
  (
    await storage.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = to_regclass($1) ORDER BY 1`,
      [parent],
    )
  ).map(({ name }) => name);
const expirePageViews = (before: Date) => storage.store.expire('pageViews', before, { dryRun: false });

describe('the removal of old partitions', () => {
  it('drops the partitions of five past months even if the statistics of the catalog are up to date', async () => {
    await storage.store.preparePageViews([1, 2, 3, 4, 5, 6].map(month));
    // If the statistics are up to date, the planner examines every relation before the parent.
    await storage.query('ANALYZE pg_inherits; ANALYZE pg_class');
    const counts = (dryRun: boolean) =>
      Promise.all([
        storage.store.expire('pageViews', june, { dryRun }),
        storage.store.expire('activity', june, { dryRun }),
      ]);
    expect(await counts(true)).toEqual([5, 10]);
    expect(await counts(false)).toEqual([5, 10]);
    expect(await partitionsOf('page_view')).toEqual(['page_view_2026_06']);
    expect(await partitionsOf('user_activity_member')).toEqual(['user_activity_member_2026_06']);
  });

  it('chooses partitions by their bounds, even if an operator renamed, moved, created or detached them', async () => {
    await storage.store.preparePageViews([1, 2, 3, 4].map(month));
    await storage.query(`
      CREATE SCHEMA archive;
      CREATE TABLE page_view_t_16 (LIKE page_view INCLUDING ALL);
      ALTER TABLE page_view_2026_01 RENAME TO "Views of ""January""";
      ALTER TABLE page_view_2026_02 SET SCHEMA archive;
      ALTER TABLE page_view DETACH PARTITION page_view_2026_03;
      ALTER TABLE page_view_2026_04 RENAME TO page_view_2020_04;
      CREATE TABLE page_view_default PARTITION OF page_view DEFAULT;
      CREATE TABLE page_view_2020_01 PARTITION OF page_view FOR VALUES FROM ('2026-05-01 00:00Z') TO ('2026-07-01 00:00Z');
      CREATE TABLE page_view_past PARTITION OF page_view FOR VALUES FROM (MINVALUE) TO ('2025-01-01 00:00Z');
      CREATE TABLE page_view_future PARTITION OF page_view FOR VALUES FROM ('2030-01-01 00:00Z') TO (MAXVALUE)`);
    expect(await expirePageViews(june)).toBe(4);
    expect(await partitionsOf('page_view')).toEqual([
      'page_view_2020_01',
      'page_view_default',
      'page_view_future',
    ]);
    expect(await storage.query(`SELECT to_regclass('page_view_2026_03') IS NOT NULL AS kept`)).toEqual([
      { kept: true },
    ]);
  });

  it('reads the bounds of partitions in any date style and time zone of the database', async () => {
    await storage.query(`
      DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET datestyle = ''SQL, DMY''', current_database());
        EXECUTE format('ALTER DATABASE %I SET timezone = ''Pacific/Auckland''', current_database()); END $$`);
    await storage.store.preparePageViews([4, 5, 6].map(month));
    const { rows } = await storage
      .connectAgain()
      .pool.query(`SELECT old_partitions('page_view', '2026-06-01 00:00Z') AS name`);
    expect(rows.map(({ name }) => name)).toEqual(['public.page_view_2026_04', 'public.page_view_2026_05']);
  });

  it('removes the other data of a kind if one partition cannot be dropped, and rejects with the reason', async () => {
    await storage.store.preparePageViews([1, 2, 3].map(month));
    await storage.query(`CREATE VIEW needed AS SELECT * FROM user_activity_2026_02`);
    await storage.query(
      `INSERT INTO user_activity_metrics VALUES ('default', 'DAY', '2026-01-01', 1, 1, 1, now())`,
    );
    await expect(storage.store.expire('activity', june, { dryRun: false })).rejects.toThrow(
      /cannot drop table user_activity_2026_02/,
    );
    expect(await partitionsOf('user_activity')).toEqual(['user_activity_2026_02']);
    expect(await partitionsOf('user_activity_member')).toEqual([]);
    expect(await storage.query('SELECT FROM user_activity_metrics')).toEqual([]);
  });

  it('drops only old partitions of partitioned tables', async () => {
    await storage.store.preparePageViews([1, 6].map(month));
    for (const name of ['public.app_user', 'public.page_view_2026_06', 'page_view; DROP TABLE app_user'])
      await storage.query(`SELECT drop_old_partition('page_view', $1, $2)`, [name, june]);
    await expect(
      storage.query(`SELECT drop_old_partition('app_user', 'public.app_user', now())`),
    ).rejects.toThrow('no partitions are dropped of app_user');
    expect(await partitionsOf('page_view')).toEqual(['page_view_2026_01', 'page_view_2026_06']);
    await storage.query('SELECT FROM app_user');
  });
});

describe('the preparation of partitions', () => {
  it('creates a partition under another name if a detached partition has the usual name', async () => {
    await storage.store.preparePageViews([month(3)]);
    await storage.query('ALTER TABLE page_view DETACH PARTITION page_view_2026_03');
    await storage.connectAgain().pool.query(`SELECT create_page_view_partition('2026-03-01')`);
    expect(await partitionsOf('page_view')).toEqual(['page_view_2026_03_2']);
  });

  it('skips a month that a partition of an operator covers wholly or partly', async () => {
    await storage.query(`
      CREATE TABLE of_march PARTITION OF page_view FOR VALUES FROM ('2026-03-01 00:00Z') TO ('2026-04-01 00:00Z');
      CREATE TABLE of_a_week PARTITION OF page_view FOR VALUES FROM ('2026-04-06 00:00Z') TO ('2026-04-13 00:00Z')`);
    await storage.store.preparePageViews([3, 4].map(month));
    expect(await partitionsOf('page_view')).toEqual(['of_a_week', 'of_march']);
    expect(await partitionsOf('user_activity')).toEqual(['user_activity_2026_03', 'user_activity_2026_04']);
  });

  it('does not move rows of the month out of a default partition', async () => {
    await storage.query(`
      CREATE TABLE page_view_default PARTITION OF page_view DEFAULT;
      INSERT INTO page_view (tenant_id, user_id, occurred_at, id, name, received_at)
        VALUES ('default', 'alice', '2026-03-10', gen_random_uuid(), 'Home', now())`);
    await storage.store.preparePageViews([3, 4].map(month));
    expect(await partitionsOf('page_view')).toEqual(['page_view_2026_04', 'page_view_default']);
  });

  it('creates the partitions of the other tables and months if one partition cannot be created', async () => {
    await storage.query(`
      CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity ~ 'page_view_2026_03$')
        THEN RAISE EXCEPTION 'no room'; END IF; END $$;
      CREATE EVENT TRIGGER refuse ON ddl_command_end EXECUTE FUNCTION refuse()`);
    await expect(storage.store.preparePageViews([3, 4].map(month))).rejects.toThrow('no room');
    expect(await partitionsOf('page_view')).toEqual(['page_view_2026_04']);
    expect(await partitionsOf('user_activity_member')).toEqual([
      'user_activity_member_2026_03',
      'user_activity_member_2026_04',
    ]);
  });
});
