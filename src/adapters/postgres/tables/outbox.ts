import { setTimeout as delay } from 'node:timers/promises';
import type { OutgoingRecord } from '../../../ports/event-log.ts';
import type { Outbox, OutboxTurn, WaitingRecord } from '../../../ports/outbox.ts';
import { type ConnectionOptions, type Database, liveness, silenceMs } from '../connection.ts';
import { translated } from '../error.ts';
import { Session } from '../session.ts';
import { type Queryable, sql } from '../sql.ts';

const channel = 'unseen_outbox';

/**
 * Wakes the relay when the transaction commits. PostgreSQL sends one notification per transaction, however
 * often this runs.
 */
export const notifyRelay = sql.raw(`pg_notify('${channel}', '')`);

// Keys and headers of foreign records may be any bytes read as text. PostgreSQL accepts no U+0000.
const storable = (text: string) => text.replaceAll('\0', '\ufffd').toWellFormed();

/** The key of a record in a form that PostgreSQL accepts. */
export const storableKey = (key: string | null) => (key === null ? null : storable(key));

/** The headers of a record in a form that PostgreSQL accepts. */
export const headersJson = (headers: OutgoingRecord['headers'] = {}) =>
  JSON.stringify(
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [storable(name), storable(value)])),
  );

export function createOutboxWrites(db: Queryable) {
  return {
    async addOutgoing(records: readonly OutgoingRecord[], now: Date): Promise<void> {
      if (records.length === 0) return;
      await db.execute`
        WITH added AS (
          INSERT INTO outbox (topic, key, value, headers, created_at)
          SELECT topic, key, value, headers, ${now}::timestamptz FROM unnest(
            ${records.map((record) => record.topic)}::text[],
            ${records.map((record) => storableKey(record.key))}::text[],
            ${records.map((record) => record.value && Buffer.from(record.value))}::bytea[],
            ${records.map((record) => headersJson(record.headers))}::jsonb[]
          ) WITH ORDINALITY AS record (topic, key, value, headers, n) ORDER BY n
          RETURNING 1
        )
        SELECT ${notifyRelay} FROM (SELECT count(*) FROM added) AS done`;
    },
  };
}

/** The advisory lock of the turn ("unso" in ASCII, different from the locks of consumer groups). */
const lockSpace = 0x756e736f;

// If a crash loses a removal, records are only sent again. If this machine vanishes without closing its
// session, the session ends after 25 s and another process takes over.
const sessionSql = `
  SET synchronous_commit = off; SET TIME ZONE 'UTC';
  SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

// A log accepts a batch of a partition as a whole. Kafka's default limit for it is 1 MiB.
const readSql = `
  SELECT id, topic, key, value, headers, created_at FROM (
    SELECT *, sum(size) OVER (ORDER BY id) AS bytes FROM (
      SELECT *, coalesce(octet_length(value), 0) + octet_length(headers::text) AS size
      FROM outbox WHERE topic <> ALL($1::text[]) ORDER BY id LIMIT 500
    ) AS oldest
  ) AS summed WHERE bytes <= 524288 OR bytes = size ORDER BY id`;

const promptly = { query_timeout: silenceMs };

interface Row {
  readonly id: string;
  readonly topic: string;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly created_at: Date;
}

/**
 * Creates an outbox in a table. A turn is a session that holds an advisory lock, so the turn ends with the
 * process that has it.
 */
export function createPostgresOutbox(
  { database, connection }: { readonly database: Database; readonly connection: ConnectionOptions },
  {
    retryMs = 1_000,
    pollMs = 5_000,
  }: {
    /** How often a waiting process asks for the turn, in ms. */
    readonly retryMs?: number;
    /** How long the loss of a notification or of the session may stay unnoticed, in ms. */
    readonly pollMs?: number;
  } = {},
): Outbox {
  return {
    async takeTurn(signal) {
      const client = new Session({ ...connection, ...liveness, application_name: 'unseen relay' });
      const turn = turnOn(client, signal, pollMs);
      try {
        await translated(client.connect());
        await translated(client.query({ text: sessionSql, ...promptly }));
        // This polls, because waiting inside the database would hold a snapshot and the queue of
        // notifications for the whole time.
        while (!signal.aborted) {
          const { rows } = await translated(
            client.query<{ taken: boolean }>({
              text: 'SELECT pg_try_advisory_lock($1, 0) AS taken',
              values: [lockSpace],
              ...promptly,
            }),
          );
          if (rows[0]?.taken) {
            await translated(client.query({ text: `LISTEN ${channel}`, ...promptly }));
            return turn;
          }
          await delay(retryMs, undefined, { signal }).catch(() => {});
        }
      } catch (error) {
        await turn.end();
        throw error;
      }
      await turn.end();
      return undefined;
    },
    async depth() {
      const { rows } = await translated(
        database.pool.query<{ count: bigint }>('SELECT count(*) FROM outbox'),
      );
      return Number(rows[0]?.count ?? 0);
    },
  };
}

function turnOn(client: Session, signal: AbortSignal, pollMs: number): OutboxTurn {
  let rung = false;
  let wake = () => {};
  const ring = () => {
    rung = true;
    wake();
  };
  // The next query notices a broken session. Without a listener the error event would end the process.
  client.on('error', ring).on('end', ring).on('notification', ring);
  return {
    isOver: () => client.isSpent,
    async read(without = []) {
      rung = false;
      const { rows } = await translated(
        client.query<Row>({ name: 'unseen_outbox_read', text: readSql, values: [without], ...promptly }),
      );
      return rows.map(toWaiting);
    },
    async remove(ids) {
      await translated(
        client.query({
          name: 'unseen_outbox_remove',
          text: 'DELETE FROM outbox WHERE id = ANY($1::bigint[])',
          values: [ids.map(String)],
          ...promptly,
        }),
      );
    },
    async written() {
      if (rung || signal.aborted) return;
      const woken = new AbortController();
      wake = () => woken.abort();
      // This does not use AbortSignal.any, because the long-lived signal would remember every signal it
      // makes.
      signal.addEventListener('abort', wake);
      await delay(pollMs, undefined, { signal: woken.signal }).catch(() => {});
      signal.removeEventListener('abort', wake);
      // Aborting the same controller again would create an error with a stack at every notification.
      wake = () => {};
    },
    async end() {
      // On a broken connection `end` would wait forever.
      await Promise.race([client.end().catch(() => {}), delay(1_000, undefined, { ref: false })]);
    },
  };
}

function toWaiting({ id, created_at: writtenAt, ...row }: Row): WaitingRecord {
  return { ...row, id: BigInt(id), writtenAt };
}
