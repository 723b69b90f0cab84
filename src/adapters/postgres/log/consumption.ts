import { setTimeout as delay } from 'node:timers/promises';
import { createInFlight } from '../../../async/in-flight.ts';
import type { ConsumeOptions, LogRecord } from '../../../ports/event-log.ts';
import type { Logger } from '../../../ports/logger.ts';
import { type ConnectionOptions, liveness, silenceMs } from '../connection.ts';
import { toPortError } from '../error.ts';
import { Session } from '../session.ts';
import type { RecentReads } from './recent-reads.ts';

/** Where an append says that there is something to read. */
export const logChannel = 'unseen_log';

// A position that is lost in a crash only means that records come again, so it need not wait for the disk. Should this
// machine vanish without a goodbye, its session ends after 25 s and another takes over.
const sessionSql = `
  SET synchronous_commit = off;
  SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

const promptly = { query_timeout: silenceMs };

/** Namespace of our advisory locks on consumer groups ("unse" in ASCII), so that they meet no one else's. */
const lockSpace = 0x756e7365;

const moveSql = 'UPDATE log_position SET position = $1, updated_at = now() WHERE consumer_group = $2';

/** Whoever is handed records ahead has time, and reads no oftener than this, in ms, while few come. */
const restMs = 100;

// The position moves with the next read: a batch costs one round trip beside its handling.
const moveAndReadSql = `
  WITH moved AS (${moveSql} AND position <> $1)
  SELECT "offset", topic, key, value, raw, headers, appended_at FROM event_log
  WHERE "offset" > $4 ORDER BY "offset" LIMIT $3`;

/** What was appended in this process, and the offset it follows on: there is none between. */
export interface Appended {
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

export const noHeaders = {};

/** A group being consumed. */
export interface RunningConsumption {
  readonly group: string;
  /** Resolves when the database was reached, or when it is stopped before. */
  readonly begun: Promise<void>;
  /** There may be more to read, and if it is known, what. */
  wake(appended?: Appended): void;
  /** Resolves when the handlers that run are done and the position is kept. */
  stop(): Promise<void>;
}

interface Deps {
  readonly connection: ConnectionOptions;
  readonly logger: Logger;
  readonly recentReads: RecentReads;
  /** Whether a notification is of this process, whose consumers are woken by the append itself. */
  readonly isOwn: (payload: string | undefined) => boolean;
}

interface Subscription extends ConsumeOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly handle: (records: readonly LogRecord[], signal: AbortSignal) => Promise<void>;
}

/**
 * Consumes until stopped, on a connection of its own, and on a new one when that is lost. One process at a time consumes for
 * a group; the others take over when its session has ended.
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

  /** Consumes on one connection until stopped or the connection is lost. */
  async function consumeOn(client: Session): Promise<void> {
    let lost = false;
    const told = new AbortController();
    const onLost = () => {
      lost = true;
      told.abort();
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
   * One consumer per group: whether it is this one's turn, true when no other session consumes, false when stopped. It
   * asks again and again: to wait inside the database would hold a snapshot and the queue of notifications for as long,
   * so that no dead row and no notification could be removed.
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
      // A session that waits for something to read would never see that its server is not the primary any more.
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
        // After a broken connection the goodbye would wait for ever.
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
