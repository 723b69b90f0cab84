import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../adapters/postgres/embedded/embedded.ts';
import { migrate, migrationsDirectory } from '../adapters/postgres/server/migrate.ts';
import { connectionStringOf, onDatabase, withClient } from './postgres-server.ts';
import { demandPrograms } from './tags.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /**
     * The PostgreSQL server of this run: a login that may create databases, and the migrated database to
     * copy.
     */
    readonly postgres: { readonly connectionString: string; readonly template: string };
    /** The services of suites that run scaled out. Undefined for suites that run embedded. */
    readonly services: { readonly kafkaBrokers: string; readonly redisUrl: string } | undefined;
  }
}

/**
 * Provides one PostgreSQL for the whole run: TEST_DATABASE_URL (a login that may create databases), or else
 * an ephemeral embedded server. The migrations run once, into a template that `createTestDatabase` copies.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  demandPrograms();
  const [server] = await Promise.all([startServer(process.env['TEST_DATABASE_URL']), compile()]);
  const template = await provideTemplate(project, server.connectionString);
  return () => server.leave(template);
}

/**
 * Compiles the programs that run as separate processes to `.build`. Relative paths stay valid, because
 * `.build` and `src` are in the same folder. Without compilation, a loader would transform the code at each
 * start, which makes a start three times as long.
 */
async function compile(): Promise<void> {
  await promisify(execFile)(process.execPath, [
    'node_modules/typescript/bin/tsc',
    '-p',
    'tsconfig.test.json',
  ]);
}

/**
 * Creates the migrated database that suites copy, and provides its address to the suites. Returns the name of
 * the database.
 */
export async function provideTemplate(project: TestProject, connectionString: string): Promise<string> {
  // Two runs may share a server, so the names of all databases of this run begin with the template's name.
  const template = `unseen_test_${randomBytes(4).toString('hex')}`;
  await withClient(connectionString, (client) => client.query(`CREATE DATABASE ${template}`));
  await withClient(onDatabase(connectionString, template), (client) =>
    migrate(client, { directory: migrationsDirectory }),
  );
  project.provide('postgres', { connectionString, template });
  return template;
}

interface TestServer {
  readonly connectionString: string;
  /** Stops an embedded server. On a given server, drops every database whose name begins with `prefix`. */
  leave(prefix: string): Promise<void>;
}

async function startServer(given: string | undefined): Promise<TestServer> {
  if (given !== undefined) {
    return {
      connectionString: given,
      leave: (prefix) => withClient(given, (client) => dropDatabases(client, prefix)),
    };
  }
  const embedded = await startEmbeddedPostgres({ ephemeral: true });
  return { connectionString: connectionStringOf(embedded.connection), leave: () => embedded.stop() };
}

async function dropDatabases(client: pg.Client, prefix: string): Promise<void> {
  const { rows } = await client.query<{ datname: string }>(
    'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
    [prefix],
  );
  for (const { datname } of rows) {
    await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(datname)} WITH (FORCE)`);
  }
}
