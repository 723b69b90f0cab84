import { randomUUID } from 'node:crypto';
import { createGroupCommit } from '../../../async/group-commit.ts';
import { createProgress, type Progress } from '../../../async/progress.ts';
import { AppError } from '../../../domain/error.ts';
import { encode } from '../../../events/codec.ts';
import { type Event, keyOf, topicOf } from '../../../events/event.ts';
import type { EventLog, LogHealth, LogRecord, OutgoingRecord } from '../../../ports/event-log.ts';
import type { Logger } from '../../../ports/logger.ts';
import type { ConnectionOptions, Database } from '../connection.ts';
import { isDataError, translated } from '../error.ts';
import {
  type Appended,
  logChannel,
  noHeaders,
  type RunningConsumption,
  startConsumption,
} from './consumption.ts';
import { createRecentReads } from './recent-reads.ts';

// The transaction holds the row lock of log_head until the commit. So offsets are dense and in commit order:
// a reader that has seen an offset has seen every smaller offset. The statement refers to head, so PostgreSQL
// takes the lock first.
// Each column is sent as one text with one line per record, because neither JSON nor a key contains a line
// break. An array literal would escape every quote of the JSON, which is a tenth of the work of a bulk
// append. If the columns have different numbers of lines, a cell is null and PostgreSQL refuses the insert.
const appendSql = `
  WITH event AS (
    SELECT * FROM unnest(string_to_array($1, E'\\n'), string_to_array($2, E'\\n'), string_to_array($3, E'\\n'))
      WITH ORDINALITY AS event (topic, key, value, n)
  ), head AS (
    UPDATE log_head SET head = head + $4::int WHERE id = 1 RETURNING head - $4::int AS base
  ), appended AS (
    INSERT INTO event_log ("offset", topic, key, value, appended_at)
    SELECT head.base + event.n, event.topic, event.key, event.value, now() FROM head, event
    RETURNING 1
  )
  SELECT base, now() AS appended_at, pg_notify('${logChannel}', $5) FROM head, (SELECT count(*) FROM appended) AS done`;

// Records that are sent rather than appended are rare and may contain any bytes. They have their own columns,
// so the append remains fast.
const sendSql = `
  WITH record AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::jsonb[])
      WITH ORDINALITY AS record (topic, key, raw, headers, n)
  ), head AS (
    UPDATE log_head SET head = head + $5::int WHERE id = 1 RETURNING head - $5::int AS base
  ), sent AS (
    INSERT INTO event_log ("offset", topic, key, raw, headers, appended_at)
    SELECT head.base + record.n, record.topic, record.key, record.raw, record.headers, now() FROM head, record
    RETURNING 1
  )
  SELECT pg_notify('${logChannel}', $6) FROM (SELECT count(*) FROM sent) AS done`;

const lagSql = `
  SELECT consumer_group AS "group", head - position AS lag, position
  FROM log_head, log_position WHERE consumer_group = ANY($1)`;

const lagOfOneSql = `
  SELECT head - coalesce((SELECT position FROM log_position WHERE consumer_group = $1), 0) AS lag FROM log_head`;

const pruneSql = `
  DELETE FROM event_log WHERE "offset" IN (
    SELECT "offset" FROM (
      SELECT "offset", appended_at FROM event_log
      WHERE "offset" <= (SELECT min(position) FROM log_position) ORDER BY "offset" LIMIT 5000
    ) AS oldest WHERE appended_at < $1)`;

/**
 * Creates a log in a table. An append wakes the consumers of its own process directly, and the consumers of
 * other processes with NOTIFY.
 */
export function createPostgresEventLog(
  { database, connection, logger }: { database: Database; connection: ConnectionOptions; logger: Logger },
  {
    batchSize = 500,
    retryMs = 1_000,
    stallMs = 60_000,
  }: {
    readonly batchSize?: number;
    readonly retryMs?: number;
    /** The time, in ms, after which `health` reports a problem if records wait and none is consumed. */
    readonly stallMs?: number;
  } = {},
): EventLog {
  const consuming = new Set<RunningConsumption>();
  const progress = new Map<string, Progress>();
  const recentReads = createRecentReads();
  let closed = false;
  // An append wakes the consumers of this process directly. The notification of the append is for other
  // processes.
  let instance = randomUUID();

  const commits = createGroupCommit<Event>(async (events) => {
    const columns = [topicOf, keyOf, encode].map((column) => events.map(column).join('\n'));
    const values = [...columns, events.length, instance];
    let appended: Appended | undefined;
    try {
      const result = await database.writes.noted(
        translated(
          database.pool.query<{ base: bigint; appended_at: Date }>({
            name: 'unseen_append',
            text: appendSql,
            values,
          }),
        ),
      );
      const { base, appended_at: at } = result.rows[0] as (typeof result.rows)[0];
      let records: readonly LogRecord[] | undefined;
      appended = {
        base,
        size: events.length,
        records() {
          records ??= recordsOf(events, base, at);
          return records;
        },
      };
    } catch (error) {
      // The commit may have succeeded without an answer, or may still succeed. With a new instance name this
      // process no longer ignores the notification of that commit.
      instance = randomUUID();
      throw error;
    } finally {
      for (const consumption of consuming) consumption.wake(appended);
    }
  });

  const sends = createGroupCommit<OutgoingRecord>(async (records) => {
    try {
      await translated(
        database.pool.query(sendSql, [
          records.map(({ topic }) => topic),
          records.map(({ key }) => key),
          records.map(({ value }) => value && Buffer.from(value)),
          records.map(({ headers = noHeaders }) => JSON.stringify(headers)),
          records.length,
          instance,
        ]),
      );
    } catch (error) {
      instance = randomUUID();
      throw error;
    } finally {
      for (const consumption of consuming) consumption.wake();
    }
  });

  async function health(): Promise<LogHealth> {
    if (consuming.size === 0) return { lag: null, problem: undefined };
    try {
      const { rows } = await translated(
        database.pool.query<{ group: string; lag: bigint; position: bigint }>(lagSql, [
          [...new Set([...consuming].map(({ group }) => group))],
        ]),
      );
      const problems = rows.map(({ group, lag, position }) => {
        const own = progress.get(group) ?? createProgress({ stallMs });
        progress.set(group, own);
        return own.problemAt({ lag, position: String(position) });
      });
      return {
        lag: rows.reduce((sum, { lag }) => sum + lag, 0n),
        problem: problems.find((problem) => problem !== undefined),
      };
    } catch (error) {
      return { lag: null, problem: `the log does not answer: ${(error as Error).message}` };
    }
  }

  return {
    async append(events) {
      try {
        await commits.add(events);
      } catch (error) {
        if (!isDataError(error)) throw error;
        throw new AppError('BAD_USER_INPUT', 'The event cannot be stored.', { cause: error });
      }
    },
    async send(records) {
      try {
        await sends.add(records);
      } catch (error) {
        if (!isDataError(error)) throw error;
        throw new AppError('BAD_USER_INPUT', 'The record cannot be stored.', { cause: error });
      }
    },
    async consume(group, topics, handle, options) {
      const consumption = startConsumption(
        { connection, logger, recentReads, isOwn: (payload) => payload === instance },
        { group, topics, handle, ...options },
        { batchSize, retryMs },
      );
      consuming.add(consumption);
      await consumption.begun;
      return { stop: () => consumption.stop().finally(() => consuming.delete(consumption)) };
    },
    health,
    async lag(group) {
      const { rows } = await translated(database.pool.query<{ lag: string }>(lagOfOneSql, [group]));
      return BigInt(rows[0]?.lag ?? 0);
    },
    async prune(olderThan) {
      let pruned = 0;
      while (!closed) {
        const { rowCount } = await translated(database.pool.query(pruneSql, [olderThan]));
        pruned += rowCount ?? 0;
        if ((rowCount ?? 0) === 0) break;
      }
      return pruned;
    },
    async close() {
      closed = true;
      recentReads.close();
      await Promise.all([...consuming].map((consumption) => consumption.stop()));
      await Promise.all([commits.idle(), sends.idle()]);
    },
  };
}

function recordsOf(events: readonly Event[], base: bigint, at: Date): readonly LogRecord[] {
  return events.map((event, n) => ({
    topic: topicOf(event),
    partition: 0,
    offset: base + BigInt(n + 1),
    key: keyOf(event),
    value: Buffer.from(encode(event)),
    headers: noHeaders,
    appendedAt: at,
  }));
}
