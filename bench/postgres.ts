import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { builtIn } from './built.ts';
import { median } from './statistics.ts';

/** The server that all variants share, each with a database of its own. Commits wait for the disk. */
export interface Postgres {
  /** Median time in which the disk makes a page durable. */
  readonly fsyncMs: number;
  /** Creates a database and resolves with its URL. */
  createDatabase(kind: 'empty' | 'migrated'): Promise<string>;
  /** Writes what is in memory to the tables, so that no measurement pays for the one before. */
  checkpoint(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts PostgreSQL on a new temporary directory, which goes with it. */
export async function startPostgres(dist: string): Promise<Postgres> {
  const built = builtIn(dist);
  const { startEmbeddedPostgres } = await built.embeddedPostgres();
  const directory = mkdtempSync(join(tmpdir(), 'unseen-bench-'));
  // PostgreSQL runs as another user when the bench runs as root.
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
  const template = new pg.Client({ connectionString: urlOf('migrated') });
  await template.connect();
  const { migrate, migrationsDirectory } = await built.migrate();
  await migrate(template, { directory: migrationsDirectory });
  await template.end();

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
