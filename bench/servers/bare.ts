import pg from 'pg';
import { v7 as uuidV7 } from 'uuid';
import { builtIn } from '../built.ts';
import { answerParent, readArgument } from '../child-main.ts';
import { createBareServer, listen } from './serve.ts';

export interface BareOptions {
  readonly dist: string;
  /** The database. If unset, the server stores nothing and always gives the same answer. */
  readonly databaseUrl?: string;
}

interface View {
  readonly name: string;
  readonly path: string;
  readonly subjectId: string;
}

interface Row extends View {
  readonly id: string;
}

interface Body {
  readonly variables: { readonly input: View | { readonly views: readonly View[] } };
}

// This server shows the upper bound of the throughput. The server gives the same answers with the same group
// commit, but has no GraphQL, authentication, validation or limits.
const { dist, databaseUrl } = readArgument<BareOptions>();
const insert = databaseUrl === undefined ? async () => {} : await createInsert(databaseUrl);

const server = createBareServer(async (body) => {
  const { input } = (body as Body).variables;
  if ('views' in input) {
    const rows = input.views.map((view) => ({ ...view, id: uuidV7() }));
    await insert(rows);
    const eventIds = rows.map(({ id }) => id);
    return JSON.stringify({ data: { recordPageViews: { accepted: rows.length, eventIds, userErrors: [] } } });
  }
  const id = databaseUrl === undefined ? '019a0000-0000-7000-8000-000000000000' : uuidV7();
  await insert([{ ...input, id }]);
  return JSON.stringify({ data: { recordPageView: { eventId: id, userErrors: [] } } });
});
answerParent({ port: await listen(server) });

async function createInsert(connectionString: string): Promise<(rows: readonly Row[]) => Promise<void>> {
  const pool = new pg.Pool({ connectionString, max: 10 });
  await pool.query(
    `CREATE TABLE view (id uuid PRIMARY KEY, tenant_id text NOT NULL, user_id text NOT NULL, name text NOT NULL,
      path text, subject_id text, occurred_at timestamptz NOT NULL)`,
  );
  const text = `
    INSERT INTO view (id, tenant_id, user_id, name, path, subject_id, occurred_at)
    SELECT id, 'default', 'user', name, path, subject_id, now()
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS new (id, name, path, subject_id)
    ON CONFLICT DO NOTHING`;
  const { createGroupCommit } = await builtIn(dist).groupCommit();
  const commits = createGroupCommit<Row>(async (rows) => {
    const values = [
      rows.map(({ id }) => id),
      rows.map(({ name }) => name),
      rows.map(({ path }) => path),
      rows.map(({ subjectId }) => subjectId),
    ];
    await pool.query({ name: 'insert', text, values });
  });
  return (rows) => commits.add(rows);
}
