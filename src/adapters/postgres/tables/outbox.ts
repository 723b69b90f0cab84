import { setTimeout as delay } from 'node:timers/promises';
import type { OutgoingRecord } from '../../../ports/event-log.ts';
import type { Outbox, OutboxTurn, WaitingRecord } from '../../../ports/outbox.ts';
import { type ConnectionOptions, type Database, liveness, silenceMs } from '../connection.ts';
import { translated } from '../error.ts';
import { Session } from '../session.ts';
import { type Queryable, sql } from '../sql.ts';

const channel = 'unseen_outbox';

/**
 * Wakes the relay when the transaction commits. PostgreSQL sends only one notification per transaction, even
 * if this statement runs several times.
 */
export const notifyRelay = sql.raw(`pg_notify('${channel}', '')`);

// Keys and headers of records of other producers may be any bytes, decoded as text. PostgreSQL cannot store
// U+0000.
const storable = (text: string) => text.replaceAll('\0', '\ufffd').toWellFormed();

/** Returns the key of a record in a form that PostgreSQL accepts. */
export const storableKey = (key: string | null) => (key === null ? null : storable(key));

/** Returns the headers of a record in a form that PostgreSQL accepts. */
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

/**
 * The first key of the advisory lock of the relay ("unso" in ASCII). It differs from the key of the locks on
 * consumer groups.
 */
const lockSpace = 0x756e736f;

// The session does not wait until a removal is on disk, because after a crash that loses a removal, the
// records are only sent again. If this machine vanishes without closing its session, the server ends the
// session after 25 s and another process takes over.
const sessionSql = `
  SET synchronous_commit = off; SET TIME ZONE 'UTC';
  SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

// A log accepts or refuses all records of a partition in a batch together. Kafka's default limit for them is
// 1 MiB, so a batch has at most half of that.
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
 * Creates an outbox in a table. Only the process that holds the turn sends records. The turn is an advisory
 * lock of a session, so it ends when the process ends.
 */
export function createPostgresOutbox(
  { database, connection }: { readonly database: Database; readonly connection: ConnectionOptions },
  {
    retryMs = 1_000,
    pollMs = 5_000,
  }: {
    /** The time, in ms, after which a waiting process tries again to take the turn. */
    readonly retryMs?: number;
    /** The maximum time, in ms, until a lost notification or a lost session is noticed. */
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
        // This polls, because a session that waits inside the database would hold a snapshot and its place in
        // the queue of notifications for the whole time.
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
  // If the session breaks, the next query rejects. Without a listener the error event would end the process.
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
      // This does not use AbortSignal.any, because the long-lived signal would retain every derived signal.
      signal.addEventListener('abort', wake);
      await delay(pollMs, undefined, { signal: woken.signal }).catch(() => {});
      signal.removeEventListener('abort', wake);
      // Each further notification would abort the same controller again and create an error with a stack each
      // time.
      wake = () => {};
    },
    async end() {
      // On a broken connection `client.end()` may wait forever.
      await Promise.race([client.end().catch(() => {}), delay(1_000, undefined, { ref: false })]);
    },
  };
}

function toWaiting({ id, created_at: writtenAt, ...row }: Row): WaitingRecord {
  return { ...row, id: BigInt(id), writtenAt };
}
