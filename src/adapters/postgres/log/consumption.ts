import { setTimeout as delay } from 'node:timers/promises';
import { createInFlight } from '../../../async/in-flight.ts';
import type { ConsumeOptions, LogRecord } from '../../../ports/event-log.ts';
import type { Logger } from '../../../ports/logger.ts';
import { type ConnectionOptions, liveness, silenceMs } from '../connection.ts';
import { toPortError } from '../error.ts';
import { Session } from '../session.ts';
import type { RecentReads } from './recent-reads.ts';

/** The channel on which an append announces new records. */
export const logChannel = 'unseen_log';

// The session does not wait until the position is on disk, because after a crash that loses the position, the
// records are only delivered again. If this machine vanishes without closing its session, the server ends the
// session after 25 s and another process takes over.
const sessionSql = `
  SET synchronous_commit = off;
  SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

const promptly = { query_timeout: silenceMs };

/**
 * The first key of the advisory locks on consumer groups ("unse" in ASCII). It keeps these locks distinct
 * from other advisory locks.
 */
const lockSpace = 0x756e7365;

const moveSql = 'UPDATE log_position SET position = $1, updated_at = now() WHERE consumer_group = $2';

/**
 * The minimum time, in ms, between two reads of a consumer that receives records ahead, while few records
 * arrive. Such a consumer is not urgent.
 */
const restMs = 100;

// One statement reads the next records and stores the position, so each batch needs only one round trip to
// the database.
const moveAndReadSql = `
  WITH moved AS (${moveSql} AND position <> $1)
  SELECT "offset", topic, key, value, raw, headers, appended_at FROM event_log
  WHERE "offset" > $4 ORDER BY "offset" LIMIT $3`;

/** The records of one append of this process. The first record directly follows the offset `base`. */
export interface Appended {
  readonly base: bigint;
  readonly size: number;
  /** Returns the records. Every call returns the same array. */
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

export const noHeaders = {};

/** A running consumption of a group. */
export interface RunningConsumption {
  readonly group: string;
  /** Resolves when the database answers for the first time, or when the consumption is stopped earlier. */
  readonly begun: Promise<void>;
  /**
   * Wakes the consumption, because new records may exist. `appended` contains the new records if the caller
   * has them.
   */
  wake(appended?: Appended): void;
  /** Stops the consumption. Resolves when the running handlers have ended and the position is stored. */
  stop(): Promise<void>;
}

interface Deps {
  readonly connection: ConnectionOptions;
  readonly logger: Logger;
  readonly recentReads: RecentReads;
  /**
   * Whether this process itself sent the notification of an append. Such a notification is ignored, because
   * the append has already woken the consumers of this process.
   */
  readonly isOwn: (payload: string | undefined) => boolean;
}

interface Subscription extends ConsumeOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly handle: (records: readonly LogRecord[], signal: AbortSignal) => Promise<void>;
}

/**
 * Consumes on its own connection until it is stopped. If the connection is lost, it opens a new one. Only one
 * process at a time consumes for a group. If the session of that process ends, another process takes over.
 */
export function startConsumption(
  { connection, logger, recentReads, isOwn }: Deps,
  { group, topics, handle, ahead = 0 }: Subscription,
  { batchSize, retryMs }: { readonly batchSize: number; readonly retryMs: number },
): RunningConsumption {
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

  /** Consumes on one connection until the consumption is stopped or the connection is lost. */
  async function consumeOn(client: Session): Promise<void> {
    let lost = false;
    const losing = new AbortController();
    const onLost = () => {
      lost = true;
      losing.abort();
      bell.ring();
    };
    client.on('error', onLost).on('end', onLost);
    client.on('notification', ({ payload }) => isOwn(payload) || bell.ring());
    await client.connect();
    await client.query({ text: sessionSql, ...promptly });
    begin();
    if (!(await takeTurn(client))) return;
    await client.query({ text: `LISTEN ${logChannel}`, ...promptly });
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
    const handed = createInFlight<bigint>({ onDone: () => bell.ring() });
    const position = () => handed.passed() ?? start;
    const signal = AbortSignal.any([stopping.signal, losing.signal]);

    async function move(): Promise<void> {
      const to = position();
      await client.query({ name: 'unseen_move', text: moveSql, values: [to, group], ...promptly });
      moved = to;
    }

    /**
     * Reads the next records and stores the position. If the result is empty, the caller should call again.
     */
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
      // If this process appended the records that directly follow the last read, they are already in memory.
      return appended?.base === read && appended.size <= batchSize ? appended.records() : [];
    }

    /**
     * Returns the next records if another consumer of this process has read them. Waits a short time if
     * another consumer is about to read them. Returns undefined if no other consumer has read them.
     */
    async function follow(): Promise<readonly LogRecord[] | undefined> {
      let patience: Promise<boolean> | undefined;
      for (let isOver = false; ; ) {
        const rung = bell.next();
        const records = recentReads.after(read, batchSize);
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
        if (signal.aborted || client.isSpent) break;
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
   * Waits for the advisory lock of the group, which ensures that only one session consumes for the group.
   * Resolves to true with the lock, or to false if the consumption is stopped. Polls, because a session that
   * waits inside the database would hold a snapshot and its place in the queue of notifications. Then
   * PostgreSQL could remove neither dead rows nor delivered notifications.
   */
  async function takeTurn(client: Session): Promise<boolean> {
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
      const client = new Session({
        ...connection,
        ...liveness,
        application_name: `unseen consumer ${group}`,
      });
      // This wakes a session that is older than its lifetime. Otherwise a session that waits for records
      // would not notice that its server is no longer the primary.
      const lifeOver = setTimeout(() => bell.ring(), client.lifeLeftMs + 1);
      try {
        await consumeOn(client);
      } catch (error) {
        if (!stopping.signal.aborted) {
          logger.warn({ group, err: toPortError(error) }, 'consuming was interrupted; trying again');
          await delay(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
        }
      } finally {
        clearTimeout(lifeOver);
        // On a broken connection `client.end()` may wait forever.
        await Promise.race([client.end().catch(() => {}), delay(1_000, undefined, { ref: false })]);
      }
    }
  }

  const running = run();
  return {
    group,
    begun,
    wake: bell.ring,
    async stop() {
      stopping.abort();
      await running;
    },
  };
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

/**
 * A signal that is not lost if it rings before the caller waits. The caller first takes the promise `next`,
 * then looks for records, then awaits the promise.
 */
function createBell() {
  let rung: (appended?: Appended) => void = () => {};
  let next = new Promise<Appended | undefined>((resolve) => {
    rung = resolve;
  });
  return {
    /** Wakes all callers that wait. `appended` contains the new records if the caller has them. */
    ring(appended?: Appended) {
      rung(appended);
      next = new Promise((resolve) => {
        rung = resolve;
      });
    },
    next: () => next,
  };
}
