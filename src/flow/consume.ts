import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, isRetriable } from '../domain/error.ts';
import { topics } from '../events/topic.ts';
import type { Consumption, EventLog, LogRecord } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Project } from './project.ts';

/** Consumer group of the projections. */
export const projectionGroup = 'unseen-projections';

/**
 * Takes batches from the log to the projections and decides about failures: what a backend caused is retried without
 * limit, with backoff and jitter; what one event caused is isolated by halving the batch and kept as a dead letter, and
 * what is behind it goes on. Nothing is ever skipped without a trace.
 */
export function createConsume(
  {
    log,
    project,
    logger,
  }: { readonly log: EventLog; readonly project: Pick<Project, 'apply' | 'bury'>; readonly logger: Logger },
  {
    maxBackoffMs = 4_000,
    unknownUserWaitMs = 3_000,
  }: {
    readonly maxBackoffMs?: number;
    /** How long a notification waits for its user to be created before it becomes a dead letter. */
    readonly unknownUserWaitMs?: number;
  } = {},
) {
  /** Tries again until it succeeds, fails for another reason or is stopped, with exponential backoff and full jitter. */
  async function untilBackendIsBack<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (err) {
        signal.throwIfAborted();
        if (!isRetriable(err)) throw err;
        const delayMs = Math.min(maxBackoffMs, 100 * 2 ** attempt) * Math.random();
        // The first says that it began, then one line a minute or so.
        if (attempt === 1 || attempt % 10 === 0) logger.warn({ err, attempt, delayMs }, 'a batch is retried');
        await delay(delayMs, undefined, { signal });
      }
    }
  }

  /** Applies the records; returns those that wait for a user. */
  async function apply(records: readonly LogRecord[], signal: AbortSignal): Promise<readonly LogRecord[]> {
    try {
      return await untilBackendIsBack(() => project.apply(records), signal);
    } catch (error) {
      signal.throwIfAborted();
      const [record] = records;
      if (records.length > 1) {
        const half = Math.ceil(records.length / 2);
        const first = await apply(records.slice(0, half), signal);
        return [...first, ...(await apply(records.slice(half), signal))];
      }
      if (record) await bury(record, { code: 'REJECTED_EVENT', error, attempts: 1 }, signal);
      return [];
    }
  }

  async function bury(
    record: LogRecord,
    {
      code,
      error,
      attempts,
    }: { readonly code: ErrorCode; readonly error: unknown; readonly attempts: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { topic, partition, offset } = record;
    logger.error({ err: error, topic, partition, offset: String(offset) }, 'an event became a dead letter');
    const reason = error instanceof Error ? lastLine(error.message) : 'unknown';
    await untilBackendIsBack(() => project.bury(record, { code, reason, attempts }), signal);
  }

  async function handle(records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    let waiting = await apply(records, signal);
    // Their creation may be right behind: the others of the batch are committed, these few hold up the next one briefly.
    const deadline = performance.now() + unknownUserWaitMs;
    let attempts = 1;
    for (; waiting.length > 0 && performance.now() < deadline; attempts += 1) {
      await delay(200, undefined, { signal });
      waiting = await apply(waiting, signal);
    }
    const error = new Error('userId: no such user');
    for (const record of waiting) await bury(record, { code: 'USER_NOT_FOUND', error, attempts }, signal);
  }

  const consumed = Object.values(topics);
  return {
    start: (): Promise<Consumption> => log.consume(projectionGroup, consumed, handle),
    /** Records that are not applied yet, over all processes. Rejects with UNAVAILABLE. */
    lag: (): Promise<bigint> => log.lag(projectionGroup, consumed),
  };
}

/** Prisma says where it happened first and what happened last. */
function lastLine(message: string): string {
  return message.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}
