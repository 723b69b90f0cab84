import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type ErrorCode, isRetriable, tookTooLong, wasLocked } from '../../domain/error.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Project } from './project.ts';

/**
 * A batch that failed this often is applied in parts, even if a backend caused the failures. A failure of a backend
 * never makes a record a dead letter.
 */
const triesTogether = 3;

/**
 * After this many attempts that took too long, a record is set aside, if the backend was healthy each time. A
 * statement ends after 5 s. A record is tried once with its batch, once with its part and twice alone. So the
 * records behind it wait for 20 s.
 */
const triesTooLong = 4;

/**
 * A record that alone waited for a lock for this long, in ms, is set aside. The record has waited twice before, with
 * other records. The records behind it wait for less than 30 s in all. A hanging transaction of Unseen ends within 10 s.
 */
export const defaultMaxLockedMs = 15_000;

/** The most keys whose locks are remembered. */
const maxLocks = 1_000;

/** The time that a lock is remembered after the last wait for it, in ms. */
const lockRememberedMs = 30_000;

/** Why a record becomes a dead letter. */
interface Cause {
  readonly code: ErrorCode;
  readonly error: unknown;
  readonly attempts: number;
}

interface IsolateDeps {
  readonly group: string;
  readonly project: Pick<Project, 'deadLetter' | 'probe'>;
  readonly logger: Logger;
}

interface IsolateOptions {
  /** The longest wait between attempts, in ms. Defaults to 4 s. */
  readonly maxBackoffMs?: number | undefined;
  /** The longest wait of a single record for a lock, in ms. If absent, a record waits without limit. */
  readonly maxLockedMs?: number | undefined;
}

/** A call of `apply`, with the parts that its steps share. */
interface Job extends IsolateDeps {
  readonly work: (records: readonly LogRecord[]) => Promise<void>;
  readonly signal: AbortSignal;
  /** The most records of a part. */
  readonly sizeOfPart: number;
  readonly retry: Retry;
  readonly lockWaits: LockWaits;
}

/**
 * Handles the failures of a consumer group. A failure of a backend is retried without limit, with backoff and jitter.
 * A failure of one event is isolated: the batch is applied in parts, the event becomes a dead letter, and the events
 * behind it continue.
 *
 * An event also becomes a dead letter if it takes longer than a statement may while the backend is healthy. With
 * `maxLockedMs`, so does an event that alone waits that long for a lock while the tables are free. Other transactions of
 * Unseen end sooner.
 *
 * No event is skipped without a dead letter. Every step rejects soon after its signal is aborted.
 */
export function createIsolate(
  deps: IsolateDeps,
  { maxBackoffMs = 4_000, maxLockedMs = Number.POSITIVE_INFINITY }: IsolateOptions = {},
) {
  const retry = createRetry(deps, maxBackoffMs);
  const lockWaits = createLockWaits(maxLockedMs);

  /** Calls `work` on the records, in their order, together or in parts. */
  async function apply(
    records: readonly LogRecord[],
    work: (records: readonly LogRecord[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    // Two divisions lead to single records. Each of them may cost the time of a statement.
    const sizeOfPart = Math.ceil(Math.sqrt(records.length));
    return applyTogether({ ...deps, work, signal, sizeOfPart, retry, lockWaits }, records, 0, triesTogether);
  }

  return { apply };
}

/** Retries while the backend is away, with exponential backoff and full jitter. */
function createRetry({ group, logger }: IsolateDeps, maxBackoffMs: number) {
  return async function retry<T>(
    work: () => Promise<T>,
    signal: AbortSignal,
    givesUp: (error: unknown, attempt: number) => boolean | Promise<boolean> = () => false,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (err) {
        signal.throwIfAborted();
        if (!isRetriable(err) || (await givesUp(err, attempt))) throw err;
        const delayMs = Math.min(maxBackoffMs, 100 * 2 ** attempt) * Math.random();
        // Logs the first failure at once, and then about one line per minute.
        if (attempt === 1 || attempt % 10 === 0)
          logger.warn({ err, group, attempt, delayMs }, 'the consumer retries a batch');
        await delay(delayMs, undefined, { signal });
      }
    }
  };
}

type Retry = ReturnType<typeof createRetry>;

/**
 * Remembers since when single records of a key wait for a lock. The records behind a record that was set aside need
 * not wait again.
 */
function createLockWaits(maxLockedMs: number) {
  const since = new LRUCache<string, number>({ max: maxLocks, ttl: lockRememberedMs });
  return {
    /**
     * Notes that a record of the key waits. Returns whether the records of the key have waited for too long.
     */
    isTooLong(key: string): boolean {
      const now = performance.now();
      const start = since.get(key) ?? now;
      since.set(key, start);
      return now - start >= maxLockedMs;
    },
    clear(key: string): void {
      since.delete(key);
    },
  };
}

type LockWaits = ReturnType<typeof createLockWaits>;

/**
 * Applies the records together. If that fails, applies them in parts. `tooLong` is how often they took too long before,
 * and `tries` is how often they are tried together.
 */
async function applyTogether(
  job: Job,
  part: readonly LogRecord[],
  tooLong: number,
  tries: number,
): Promise<void> {
  const { work, signal, sizeOfPart, retry } = job;
  const [record, ...others] = part;
  if (!record) return;
  if (others.length === 0) return applyAlone(job, record, tooLong);
  let times = tooLong;
  try {
    return await retry(
      () => work(part),
      signal,
      async (error, attempt) => {
        const isTooMany = await isTooMuch(job, error);
        if (isTooMany && tookTooLong(error)) times += 1;
        return isTooMany || attempt >= tries;
      },
    );
  } catch {
    signal.throwIfAborted();
    const size = part.length > sizeOfPart ? sizeOfPart : 1;
    for (let n = 0; n < part.length; n += size) await applyTogether(job, part.slice(n, n + size), times, 1);
  }
}

/** Applies a single record, or turns it into a dead letter. */
async function applyAlone(job: Job, record: LogRecord, tooLong: number): Promise<void> {
  const { work, signal, retry, lockWaits } = job;
  const key = record.key ?? `${record.topic}/${record.partition}`;
  let attempts = 0;
  let times = tooLong;
  try {
    await retry(
      () => work([record]),
      signal,
      async (error, attempt) => {
        attempts = attempt;
        const isAtFault = await isTooMuch(job, error);
        if (isAtFault && wasLocked(error)) return lockWaits.isTooLong(key);
        lockWaits.clear(key);
        times = isAtFault ? times + 1 : 0;
        return times >= triesTooLong;
      },
    );
    lockWaits.clear(key);
  } catch (error) {
    signal.throwIfAborted();
    await deadLetter(job, record, causeOf(error, attempts));
  }
}

/** Whether the work itself took too long or waited for a lock. Resolves to false if the backend as a whole is slow. */
const isTooMuch = async ({ project }: IsolateDeps, error: unknown) =>
  (tookTooLong(error) || wasLocked(error)) &&
  (await project.probe().then(
    () => true,
    () => false,
  ));

/** Turns a record into a dead letter. */
async function deadLetter(
  { group, project, logger, retry, signal }: Job,
  record: LogRecord,
  { code, error, attempts }: Cause,
): Promise<void> {
  const { topic, partition, offset } = record;
  const place = { group, topic, partition, offset: String(offset) };
  logger.error({ err: error, ...place }, 'an event became a dead letter');
  const reason = error instanceof Error ? lastLine(error.message) : 'unknown';
  await retry(() => project.deadLetter(record, { code, reason, attempts }), signal);
}

function causeOf(error: unknown, attempts: number): Cause {
  if (tookTooLong(error))
    return { code: 'TOO_SLOW', error: new Error('The event took longer than a statement may.'), attempts };
  if (wasLocked(error))
    return {
      code: 'TOO_SLOW',
      error: new Error('Another transaction held a lock that the event needs.'),
      attempts,
    };
  return { code: 'REJECTED_EVENT', error, attempts: 1 };
}

/** The last line of a message of Prisma says what happened. The lines before it say where. */
function lastLine(message: string): string {
  return message.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}
