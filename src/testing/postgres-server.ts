import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { childrenOf } from '../../scripts/services/process.ts';

/**
 * A PostgreSQL as its URL: over a unix socket the directory stands in the query, since a URL's host cannot
 * hold it.
 */
export function connectionStringOf(connection: {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}): string {
  const { host, port, user, database } = connection;
  return `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}

/** The same server and login, another database. */
export function onDatabase(connectionString: string, database: string): string {
  const url = new URL(connectionString);
  url.pathname = `/${database}`;
  return url.href;
}

/** Runs `work` on a connection of its own and closes it, whatever happens. */
export async function withClient<T>(
  connectionString: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString });
  // Without a listener a connection that breaks between two queries ends the process; the next query reports
  // it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const postmasterOf = (dataDir: string) =>
  Number.parseInt(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);

/** Kills the first process of the embedded server of a data directory; the others end by themselves. */
export function killPostmaster(dataDir: string): void {
  process.kill(postmasterOf(dataDir), 'SIGKILL');
}

/** Kills every process of it: what they had not written is gone. */
export function killAllOfPostgres(dataDir: string): void {
  const parent = postmasterOf(dataDir);
  const children = childrenOf(parent).map(({ pid }) => pid);
  for (const pid of [parent, ...children]) process.kill(pid, 'SIGKILL');
}
