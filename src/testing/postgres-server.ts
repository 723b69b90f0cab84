import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { childrenOf } from '../../scripts/services/process.ts';

/**
 * Returns the URL of a PostgreSQL. The directory of a unix socket is in the query, because the host of a URL
 * cannot hold a path.
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

/** Returns the URL of another database on the same server, with the same login. */
export function onDatabase(connectionString: string, database: string): string {
  const url = new URL(connectionString);
  url.pathname = `/${database}`;
  return url.href;
}

/** Runs `work` on a new connection. Always closes the connection. */
export async function withClient<T>(
  connectionString: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString });
  // Without a listener, a connection that breaks between two queries would end the process. The next query
  // reports the error.
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

/**
 * Kills the first process of the embedded server in the data directory. The other processes of the server
 * then exit by themselves.
 */
export function killPostmaster(dataDir: string): void {
  process.kill(postmasterOf(dataDir), 'SIGKILL');
}

/** Kills every process of the embedded server, so that the server loses data that it has not yet written. */
export function killAllOfPostgres(dataDir: string): void {
  const parent = postmasterOf(dataDir);
  const children = childrenOf(parent).map(({ pid }) => pid);
  for (const pid of [parent, ...children]) process.kill(pid, 'SIGKILL');
}
