import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type ErrorCode, isRetriable, tookTooLong, wasLocked } from '../../domain/error.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Project } from './project.ts';

/**
 * The number of failed attempts after which a batch is applied in parts, even if a backend caused the
 * failures. A record never becomes a dead letter because a backend failed.
 */
const triesTogether = 3;

/**
 * The number of attempts that take too long after which a record becomes a dead letter. An attempt counts
 * only if the backend was healthy. A statement is canceled after 5 s. A record is tried once with its batch,
 * once with its part and twice alone. So the records behind it wait for 20 s.
 */
const triesTooLong = 4;

/**
 * The time in ms for which a record that is applied alone may wait for a lock. After this time, the record
 * becomes a dead letter. The record has already waited twice, together with other records. The records behind
 * it wait for less than 30 s in total. A transaction of Unseen that hangs is canceled within 10 s.
 */
export const defaultMaxLockedMs = 15_000;

/** The maximum number of record keys for which waits are remembered. */
const maxLocks = 1_000;

/** The time in ms for which a wait is remembered after its last failure. */
const lockRememberedMs = 30_000;

/** The reason why a record becomes a dead letter. */
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
  /** The maximum wait between two attempts, in ms. Defaults to 4 s. */
  readonly maxBackoffMs?: number | undefined;
  /**
   * The maximum time for which a record that is applied alone waits for a lock, in ms. If absent, the record
   * waits without limit.
   */
  readonly maxLockedMs?: number | undefined;
}

/** A call of `apply`, with the values that its steps share. */
interface Job extends IsolateDeps {
  readonly work: (records: readonly LogRecord[]) => Promise<void>;
  readonly signal: AbortSignal;
  /** The maximum number of records of a part. */
  readonly sizeOfPart: number;
  readonly retry: Retry;
  readonly lockWaits: LockWaits;
}

/**
 * Creates a function that handles the failures of a consumer group. A failure of a backend is retried without
 * limit, with backoff and jitter. If a single event causes a failure, the batch is applied in parts. This
 * event becomes a dead letter, and the events behind it are applied.
 *
 * An event also becomes a dead letter if it takes longer than a statement may take while the backend is
 * healthy. The same happens with `maxLockedMs` if the event is applied alone and waits that long for a lock
 * while the tables are free. Other transactions of Unseen end sooner.
 *
 * Every skipped event becomes a dead letter. Every step rejects soon after its signal aborts.
 */
export function createIsolate(
  deps: IsolateDeps,
  { maxBackoffMs = 4_000, maxLockedMs = Number.POSITIVE_INFINITY }: IsolateOptions = {},
) {
  const retry = createRetry(deps, maxBackoffMs);
  const lockWaits = createLockWaits(maxLockedMs);

  /** Calls `work` on the records in their order, with all records or with parts of them. */
  async function apply(
    records: readonly LogRecord[],
    work: (records: readonly LogRecord[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    // With this size, a batch is divided only twice until each part is a single record. At each level, an
    // attempt may take as long as a statement may take.
    const sizeOfPart = Math.ceil(Math.sqrt(records.length));
    return applyTogether({ ...deps, work, signal, sizeOfPart, retry, lockWaits }, records, 0, triesTogether);
  }

  return { apply };
}

/** Retries while the backend is unreachable, with exponential backoff and full jitter. */
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
 * Remembers for each key since when its records wait for a lock. If a record of the key became a dead letter,
 * the next records of the key need not wait as long.
 */
function createLockWaits(maxLockedMs: number) {
  const since = new LRUCache<string, number>({ max: maxLocks, ttl: lockRememberedMs });
  return {
    /**
     * Records that a record of the key is waiting. Returns whether the records of the key have waited for too
     * long.
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
 * Applies the records together. If this fails, applies them in parts. `tooLong` is the number of earlier
 * attempts that took too long. `tries` is the number of attempts with all records together.
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

/**
 * Whether the work itself took too long or waited for a lock. Resolves to false if the whole backend is slow.
 */
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

/**
 * Returns the last line of an error message. In a message of Prisma, the last line says what happened, and
 * the lines before it say where.
 */
function lastLine(message: string): string {
  return message.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}
