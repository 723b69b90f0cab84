import { setTimeout as delay } from 'node:timers/promises';
import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import { type ErrorCode, isRetriable } from '../domain/error.ts';
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
  { log, project, logger }: { readonly log: EventLog; readonly project: Project; readonly logger: Logger },
  {
    maxBackoffMs = 10_000,
    unknownUserWaitMs = 3_000,
  }: {
    readonly maxBackoffMs?: number;
    /** How long a notification waits for its user to be created before it becomes a dead letter. */
    readonly unknownUserWaitMs?: number;
  } = {},
) {
  const untilBackendIsBack = retry(handleWhen(isRetriable), {
    maxAttempts: Number.POSITIVE_INFINITY,
    backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: maxBackoffMs }),
  });
  untilBackendIsBack.onRetry(({ attempt, delay: delayMs, ...reason }) => {
    const err = 'error' in reason ? reason.error : undefined;
    // The first says that it began, then one line a minute or so.
    if (attempt === 1 || attempt % 6 === 0) logger.warn({ err, attempt, delayMs }, 'a batch is retried');
  });

  /** Applies the records; returns those that wait for a user. */
  async function apply(records: readonly LogRecord[], signal: AbortSignal): Promise<readonly LogRecord[]> {
    try {
      return await untilBackendIsBack.execute(() => project.apply(records), signal);
    } catch (error) {
      signal.throwIfAborted();
      const [record] = records;
      if (records.length > 1) {
        const half = Math.ceil(records.length / 2);
        const first = await apply(records.slice(0, half), signal);
        return [...first, ...(await apply(records.slice(half), signal))];
      }
      if (record) await bury(record, 'REJECTED_EVENT', error, signal);
      return [];
    }
  }

  async function bury(record: LogRecord, code: ErrorCode, error: unknown, signal: AbortSignal): Promise<void> {
    const { topic, partition, offset } = record;
    logger.error({ err: error, topic, partition, offset: String(offset) }, 'an event became a dead letter');
    const reason = error instanceof Error ? firstLine(error.message) : 'unknown';
    await untilBackendIsBack.execute(() => project.bury(record, code, reason, 1), signal);
  }

  async function handle(records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    let waiting = await apply(records, signal);
    // Their creation may be right behind: the others of the batch are committed, these few hold up the next one briefly.
    const deadline = performance.now() + unknownUserWaitMs;
    while (waiting.length > 0 && performance.now() < deadline) {
      await delay(200, undefined, { signal });
      waiting = await apply(waiting, signal);
    }
    for (const record of waiting) {
      await bury(record, 'USER_NOT_FOUND', new Error('userId: no such user'), signal);
    }
  }

  return { start: (): Promise<Consumption> => log.consume(projectionGroup, handle) };
}

function firstLine(message: string): string {
  return message.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}
