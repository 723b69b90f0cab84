import pg from 'pg';

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
