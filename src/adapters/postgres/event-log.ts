import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '../../domain/error.ts';
import { type Event, encode, keyOf, topicOf } from '../../events/codec.ts';
import type {
  ConsumeOptions,
  Consumption,
  EventLog,
  LogHealth,
  LogRecord,
  OutgoingRecord,
} from '../../ports/event-log.ts';
import { createGroupCommit } from '../../ports/group-commit.ts';
import { createHandedOver } from '../../ports/handed-over.ts';
import type { Logger } from '../../ports/logger.ts';
import { createProgress, type Progress } from '../../ports/progress.ts';
import { type ConnectionOptions, type Database, liveness, silenceMs } from './connection.ts';
import { isDataError, toPortError, translated } from './error.ts';
import { createRecentReads } from './recent-reads.ts';

const channel = 'unseen_log';

// A position that is lost in a crash only means that records come again, so it need not wait for the disk. Should this
// machine vanish without a goodbye, its session ends after 25 s and another takes over.
const sessionSql = `
  SET synchronous_commit = off;
  SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

const promptly = { query_timeout: silenceMs };

/** Namespace of our advisory locks on consumer groups ("unse" in ASCII), so that they meet no one else's. */
const lockSpace = 0x756e7365;

// The row lock of log_head is held until the commit, so offsets are dense and their order is the order of the commits:
// a reader that has seen an offset has seen every smaller one. The reference to head makes the lock come first.
//
// Columns travel as lines: neither JSON nor a key holds a line break, and an array literal would have every quote of the
// JSON escaped, a tenth of the work of a bulk append. Lines that do not match up leave a column null, which is refused.
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
  SELECT base, now() AS appended_at, pg_notify('${channel}', $5) FROM head, (SELECT count(*) FROM appended) AS done`;

// What is sent is rare and may be any bytes, so it has columns of its own and the append stays as it is.
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
  SELECT pg_notify('${channel}', $6) FROM (SELECT count(*) FROM sent) AS done`;

const lagSql = `
  SELECT consumer_group AS "group", head - position AS lag, position
  FROM log_head, log_position WHERE consumer_group = ANY($1)`;

const lagOfOneSql = `
  SELECT head - coalesce((SELECT position FROM log_position WHERE consumer_group = $1), 0) AS lag FROM log_head`;

const moveSql = 'UPDATE log_position SET position = $1, updated_at = now() WHERE consumer_group = $2';

/** Whoever is handed records ahead has time, and reads no oftener than this, in ms, while few come. */
const restMs = 100;

// The position moves with the next read: a batch costs one round trip beside its handling.
const moveAndReadSql = `
  WITH moved AS (${moveSql} AND position <> $1)
  SELECT "offset", topic, key, value, raw, headers, appended_at FROM event_log
  WHERE "offset" > $4 ORDER BY "offset" LIMIT $3`;

const pruneSql = `
  DELETE FROM event_log WHERE "offset" IN (
    SELECT "offset" FROM (
      SELECT "offset", appended_at FROM event_log
      WHERE "offset" <= (SELECT min(position) FROM log_position) ORDER BY "offset" LIMIT 5000
    ) AS oldest WHERE appended_at < $1)`;

/** What was appended in this process, and the offset it follows on: there is none between. */
interface Appended {
  readonly base: bigint;
  readonly size: number;
  /** The same whoever asks. */
  records(): readonly LogRecord[];
}

interface Row {
  readonly offset: string;
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly raw: Buffer | null;
  readonly headers: Readonly<Record<string, string>> | null;
  readonly appended_at: Date;
}

const noHeaders = {};

/**
 * The log as a table. One process at a time consumes for a group; the others take over when its session has ended.
 * Consumers are woken by the append itself in the same process, and by NOTIFY in others.
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
    /** After this long with something to consume and nothing consumed, it is a problem. */
    readonly stallMs?: number;
  } = {},
): EventLog {
  const consumptions = new Map<Consumption, string>();
  const progress = new Map<string, Progress>();
  const recentReads = createRecentReads();
  const wakeUps = new Set<(appended?: Appended) => void>();
  let closed = false;
  // Who appends here has woken the consumers here already; its notification is for other processes.
  let instance = randomUUID();

  const commits = createGroupCommit<Event>(async (events) => {
    const columns = [topicOf, keyOf, encode].map((column) => events.map(column).join('\n'));
    const values = [...columns, events.length, instance];
    let appended: Appended | undefined;
    try {
      const result = await translated(
        database.pool.query<{ base: bigint; appended_at: Date }>({
          name: 'unseen_append',
          text: appendSql,
          values,
        }),
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
      // The answer may be what was lost: should the commit be done, or still come, its notification is for us too.
      instance = randomUUID();
      throw error;
    } finally {
      for (const wake of wakeUps) wake(appended);
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
      for (const wake of wakeUps) wake();
    }
  });

  function startConsumer(
    group: string,
    topics: readonly string[],
    handle: (records: readonly LogRecord[], signal: AbortSignal) => Promise<void>,
    { ahead = 0 }: ConsumeOptions = {},
  ): { readonly consumption: Consumption; readonly begun: Promise<void> } {
    const stopping = new AbortController();
    const bell = createBell();
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    stopping.signal.addEventListener('abort', () => {
      bell.ring();
      begin();
    });

    /** Consumes on one connection until stopped or the connection is lost. */
    async function consumeOn(client: pg.Client): Promise<void> {
      let lost = false;
      const told = new AbortController();
      const onLost = () => {
        lost = true;
        told.abort();
        bell.ring();
      };
      client.on('error', onLost).on('end', onLost);
      client.on('notification', ({ payload }) => payload === instance || bell.ring());
      await client.connect();
      await client.query({ text: sessionSql, ...promptly });
      begin();
      if (!(await takeTurn(client))) return;
      await client.query({ text: `LISTEN ${channel}`, ...promptly });
      const { rows } = await client.query<{ position: string }>({
        text: `INSERT INTO log_position (consumer_group, position, updated_at) VALUES ($1, 0, now())
         ON CONFLICT (consumer_group) DO UPDATE SET updated_at = now() RETURNING position`,
        values: [group],
        ...promptly,
      });
      const start = BigInt(rows[0]?.position ?? 0);
      let read = start;
      let moved = start;
      let isAtWork = true;
      const handed = createHandedOver<bigint>({ onDone: () => bell.ring() });
      const position = () => handed.passed() ?? start;
      const signal = AbortSignal.any([stopping.signal, told.signal]);

      async function move(): Promise<void> {
        const to = position();
        await client.query({ name: 'unseen_move', text: moveSql, values: [to, group], ...promptly });
        moved = to;
      }

      /** The next records; none when it is worth asking again. Moves the position. */
      async function readOn(): Promise<readonly LogRecord[]> {
        const rung = bell.next();
        moved = position();
        const { rows: batch } = await client.query<Row>({
          name: 'unseen_read',
          text: moveAndReadSql,
          values: [moved, group, batchSize, read],
          ...promptly,
        });
        if (batch.length > 0) return batch.map(toRecord);
        isAtWork = false;
        const appended = signal.aborted ? undefined : await rung;
        isAtWork = true;
        // What this process appended right behind what was read is at hand already.
        return appended?.base === read && appended.size <= batchSize ? appended.records() : [];
      }

      /** What others here read of what is next, when it is worth a short wait for them; undefined when there is none. */
      async function follow(): Promise<readonly LogRecord[] | undefined> {
        let patience: Promise<boolean> | undefined;
        for (let isOver = false; ; ) {
          const rung = bell.next();
          const records = recentReads.behind(read, batchSize);
          if (records && moved !== position()) await move();
          if (records || isOver || !recentReads.isAwaited(read)) return records;
          patience ??= delay(restMs, true, { signal }).catch(() => true);
          isOver = await Promise.race([rung.then(() => false), patience]);
        }
      }

      const leave =
        ahead > 0
          ? recentReads.follow(bell.ring)
          : recentReads.lead({ read: () => read, isAtWork: () => isAtWork });
      try {
        for (;;) {
          await handed.untilAtMost(ahead);
          if (signal.aborted) break;
          const records = (ahead > 0 ? await follow() : undefined) ?? (await readOn());
          if (records.length === 0 || signal.aborted) continue;
          if (ahead === 0) recentReads.add(read, records);
          const wanted = records.filter(({ topic }) => topics.includes(topic));
          read = records.at(-1)?.offset ?? read;
          const work = wanted.length > 0 ? handle(wanted, signal) : Promise.resolve();
          handed.add({ place: read, size: wanted.length, work });
          if (ahead > 0 && records.length < batchSize)
            await delay(restMs, undefined, { signal }).catch(() => {});
        }
      } finally {
        leave();
        await handed.settled();
      }
      if (!lost) await move();
    }

    /**
     * One consumer per group: whether it is this one's turn, true when no other session consumes, false when stopped. It
     * asks again and again: to wait inside the database would hold a snapshot and the queue of notifications for as long,
     * so that no dead row and no notification could be removed.
     */
    async function takeTurn(client: pg.Client): Promise<boolean> {
      while (!stopping.signal.aborted) {
        const { rows } = await client.query<{ taken: boolean }>({
          text: 'SELECT pg_try_advisory_lock($1, hashtext($2)) AS taken',
          values: [lockSpace, group],
          ...promptly,
        });
        if (rows[0]?.taken) return true;
        await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
      return false;
    }

    async function run(): Promise<void> {
      while (!stopping.signal.aborted) {
        const client = new pg.Client({
          ...connection,
          ...liveness,
          application_name: `unseen consumer ${group}`,
        });
        try {
          await consumeOn(client);
        } catch (error) {
          if (!stopping.signal.aborted) {
            logger.warn({ group, err: toPortError(error) }, 'consuming was interrupted; trying again');
            await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
          }
        } finally {
          // After a broken connection the goodbye would wait for ever.
          await Promise.race([client.end().catch(() => {}), delay(1_000, undefined, { ref: false })]);
        }
      }
    }

    wakeUps.add(bell.ring);
    const running = run();
    const consumption: Consumption = {
      async stop() {
        stopping.abort();
        await running;
        wakeUps.delete(bell.ring);
        consumptions.delete(consumption);
      },
    };
    consumptions.set(consumption, group);
    return { consumption, begun };
  }

  async function health(): Promise<LogHealth> {
    if (consumptions.size === 0) return { lag: null, problem: undefined };
    try {
      const { rows } = await translated(
        database.pool.query<{ group: string; lag: bigint; position: bigint }>(lagSql, [
          [...new Set(consumptions.values())],
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
      const { consumption, begun } = startConsumer(group, topics, handle, options);
      await begun;
      return consumption;
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
      await Promise.all([...consumptions.keys()].map((consumption) => consumption.stop()));
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

function toRecord(row: Row): LogRecord {
  return {
    topic: row.topic,
    partition: 0,
    offset: BigInt(row.offset),
    key: row.key,
    value: row.value === null ? row.raw : Buffer.from(row.value),
    headers: row.headers ?? noHeaders,
    appendedAt: row.appended_at,
  };
}

/** Something to wait for that may ring before anybody waits: take `next` first, look, then await it. */
function createBell() {
  let rung: (appended?: Appended) => void = () => {};
  let next = new Promise<Appended | undefined>((resolve) => {
    rung = resolve;
  });
  return {
    /** With what was appended, when that is known. */
    ring(appended?: Appended) {
      rung(appended);
      next = new Promise((resolve) => {
        rung = resolve;
      });
    },
    next: () => next,
  };
}
