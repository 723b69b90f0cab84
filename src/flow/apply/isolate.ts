import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type ErrorCode, isRetriable, tookTooLong, wasLocked } from '../../domain/error.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Project } from './project.ts';

/** After so many the batch is tried in parts, also where a backend failed. Of that alone nothing becomes a dead letter. */
const triesTogether = 3;

/**
 * A record that took too long so often is set aside, when the backend was well each time. A statement ends after 5 s: once
 * with its batch, once with its part, twice alone, and the records behind it have waited for 20 s.
 */
const triesTooLong = 4;

/**
 * A record that alone waited for a lock for so long, in ms, is set aside. It has waited twice before, with others, so that those
 * behind it wait for less than 30 s. Transactions of ours that hang end within 10 s.
 */
export const defaultMaxLockedMs = 15_000;

/** Keys whose locks are remembered, and for how long after the last wait for one, in ms. */
const maxLocks = 1_000;
const lockRememberedMs = 30_000;

/** Why a record becomes a dead letter. */
interface Cause {
  readonly code: ErrorCode;
  readonly error: unknown;
  readonly attempts: number;
}

/**
 * Decides about failures of a consumer group: what a backend caused is retried without limit, with backoff and jitter; what
 * one event caused is isolated by trying the batch in parts and kept as a dead letter, and what is behind it continues. So is
 * an event that takes longer than a statement may while the backend is well, or, with `maxLockedMs`, one that alone waits for
 * that long for a lock, while tables are free: other transactions of ours end sooner. Nothing is ever skipped without a trace. All of
 * it rejects soon after its signal is aborted.
 */
export function createIsolate(
  {
    group,
    project,
    logger,
  }: {
    readonly group: string;
    readonly project: Pick<Project, 'deadLetter' | 'probe'>;
    readonly logger: Logger;
  },
  {
    maxBackoffMs = 4_000,
    maxLockedMs = Number.POSITIVE_INFINITY,
  }: { readonly maxBackoffMs?: number | undefined; readonly maxLockedMs?: number | undefined } = {},
) {
  /** Since when records of a key wait for a lock, each alone: those behind one that was set aside wait no longer. */
  const lockedSince = new LRUCache<string, number>({ max: maxLocks, ttl: lockRememberedMs });

  /** Tries again while the backend is away, with exponential backoff and full jitter. */
  async function retrying<T>(
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
        // The first says that it began, then one line a minute or so.
        if (attempt === 1 || attempt % 10 === 0)
          logger.warn({ err, group, attempt, delayMs }, 'a batch is retried');
        await delay(delayMs, undefined, { signal });
      }
    }
  }

  /** Whether the work itself took too long or was locked, and not everything does or is. */
  const isTooMuch = async (error: unknown) =>
    (tookTooLong(error) || wasLocked(error)) &&
    (await project.probe().then(
      () => true,
      () => false,
    ));

  function isLockedTooLong(key: string): boolean {
    const now = performance.now();
    const since = lockedSince.get(key) ?? now;
    lockedSince.set(key, since);
    return now - since >= maxLockedMs;
  }

  /** Keeps a record as a dead letter. */
  async function deadLetter(
    record: LogRecord,
    { code, error, attempts }: Cause,
    signal: AbortSignal,
  ): Promise<void> {
    const { topic, partition, offset } = record;
    const place = { group, topic, partition, offset: String(offset) };
    logger.error({ err: error, ...place }, 'an event became a dead letter');
    const reason = error instanceof Error ? lastLine(error.message) : 'unknown';
    await retrying(() => project.deadLetter(record, { code, reason, attempts }), signal);
  }

  /** Does `work` on the records, in their order, together or in parts. */
  async function apply(
    records: readonly LogRecord[],
    work: (records: readonly LogRecord[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    // Two steps down to the one, each of which may cost the time of a statement.
    const sizeOfPart = Math.ceil(Math.sqrt(records.length));

    async function together(part: readonly LogRecord[], tooLong: number, tries: number): Promise<void> {
      const [record, ...others] = part;
      if (!record) return;
      if (others.length === 0) return alone(record, tooLong);
      let times = tooLong;
      try {
        return await retrying(
          () => work(part),
          signal,
          async (error, attempt) => {
            const isTooMany = await isTooMuch(error);
            if (isTooMany && tookTooLong(error)) times += 1;
            return isTooMany || attempt >= tries;
          },
        );
      } catch {
        signal.throwIfAborted();
        const size = part.length > sizeOfPart ? sizeOfPart : 1;
        for (let n = 0; n < part.length; n += size) await together(part.slice(n, n + size), times, 1);
      }
    }

    async function alone(record: LogRecord, tooLong: number): Promise<void> {
      const key = record.key ?? `${record.topic}/${record.partition}`;
      let attempts = 0;
      let times = tooLong;
      try {
        await retrying(
          () => work([record]),
          signal,
          async (error, attempt) => {
            attempts = attempt;
            const isAtFault = await isTooMuch(error);
            if (isAtFault && wasLocked(error)) return isLockedTooLong(key);
            lockedSince.delete(key);
            times = isAtFault ? times + 1 : 0;
            return times >= triesTooLong;
          },
        );
        lockedSince.delete(key);
      } catch (error) {
        signal.throwIfAborted();
        await deadLetter(record, causeOf(error, attempts), signal);
      }
    }

    return together(records, 0, triesTogether);
  }

  return { apply };
}

function causeOf(error: unknown, attempts: number): Cause {
  if (tookTooLong(error))
    return { code: 'TOO_SLOW', error: new Error('It took longer than a statement may.'), attempts };
  if (wasLocked(error))
    return { code: 'TOO_SLOW', error: new Error('Another transaction held a lock that it needs.'), attempts };
  return { code: 'REJECTED_EVENT', error, attempts: 1 };
}

/** Prisma says where it happened first and what happened last. */
function lastLine(message: string): string {
  return message.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}
