import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { builtIn } from './built.ts';
import { median } from './statistics.ts';

/**
 * The PostgreSQL server that all variants share. Each variant has its own database. Commits wait for the
 * disk.
 */
export interface Postgres {
  /** The median time that the disk takes to make a page durable. */
  readonly fsyncMs: number;
  /** Creates a database and resolves with its URL. */
  createDatabase(kind: 'empty' | 'migrated'): Promise<string>;
  /**
   * Writes changed pages to the disk, so that a measurement does not include the writes of the previous
   * measurement.
   */
  checkpoint(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts PostgreSQL on a new temporary directory. `stop` removes the directory. */
export async function startPostgres(dist: string): Promise<Postgres> {
  const { startEmbeddedPostgres } = await builtIn(dist).embeddedPostgres();
  const directory = mkdtempSync(join(tmpdir(), 'unseen-bench-'));
  // If the bench runs as root, PostgreSQL runs as another user.
  chmodSync(directory, 0o755);
  const fsyncMs = measureFsync(join(directory, 'fsync'));
  const server = await startEmbeddedPostgres({ dataDir: join(directory, 'data') });
  const { host, port, user } = server.connection;
  const urlOf = (database: string) =>
    `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(host)}&port=${port}`;
  const admin = new pg.Client({ connectionString: urlOf('postgres') });
  admin.on('error', () => {});
  await admin.connect();

  await admin.query('CREATE DATABASE migrated');
  await prepareTemplate(dist, urlOf('migrated'));

  return {
    fsyncMs,
    async createDatabase(kind) {
      const name = `bench_${randomBytes(4).toString('hex')}`;
      await admin.query(`CREATE DATABASE ${name}${kind === 'migrated' ? ' TEMPLATE migrated' : ''}`);
      return urlOf(name);
    },
    async checkpoint() {
      await admin.query('CHECKPOINT');
    },
    async stop() {
      await admin.end().catch(() => {});
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Creates our tables, with partitions for this month and the next month. A worker creates partitions, but
 * some variants have no worker.
 */
async function prepareTemplate(dist: string, connectionString: string): Promise<void> {
  const built = builtIn(dist);
  const client = new pg.Client({ connectionString });
  await client.connect();
  const { migrate, migrationsDirectory } = await built.migrate();
  await migrate(client, { directory: migrationsDirectory });
  await client.end();
  const { connect } = await built.connection();
  const { createPostgresStore } = await built.store();
  const store = createPostgresStore(connect({ connectionString }, { maxConnections: 1 }));
  const now = new Date();
  await store.preparePageViews([now, new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1))]);
  await store.close();
}

function measureFsync(file: string): number {
  const descriptor = openSync(file, 'w');
  const page = Buffer.alloc(8192, 1);
  const times = Array.from({ length: 100 }, () => {
    const start = performance.now();
    writeSync(descriptor, page);
    fsyncSync(descriptor);
    return performance.now() - start;
  });
  closeSync(descriptor);
  return median(times);
}
