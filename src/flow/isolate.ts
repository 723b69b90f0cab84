import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, isRetriable } from '../domain/error.ts';
import type { LogRecord } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Project } from './project.ts';

/**
 * After so many the batch is tried in halves, also where a backend failed: one that answers everything but this, since it is
 * too much for one statement, fails like one that is away. Of that alone nothing becomes a dead letter.
 */
const triesTogether = 3;

/** Why a record becomes a dead letter. */
interface Cause {
  readonly code: ErrorCode;
  readonly error: unknown;
  readonly attempts: number;
}

/**
 * Decides about failures of a consumer group: what a backend caused is retried without limit, with backoff and jitter; what
 * one event caused is isolated by halving the batch and kept as a dead letter, and what is behind it goes on. Nothing is
 * ever skipped without a trace. All of it rejects soon after its signal is aborted.
 */
export function createIsolate(
  {
    group,
    project,
    logger,
  }: { readonly group: string; readonly project: Pick<Project, 'bury'>; readonly logger: Logger },
  { maxBackoffMs = 4_000 }: { readonly maxBackoffMs?: number | undefined } = {},
) {
  /** Tries again while the backend is away, with exponential backoff and full jitter. */
  async function retrying<T>(
    work: () => Promise<T>,
    signal: AbortSignal,
    tries = Number.POSITIVE_INFINITY,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (err) {
        signal.throwIfAborted();
        if (!isRetriable(err) || attempt >= tries) throw err;
        const delayMs = Math.min(maxBackoffMs, 100 * 2 ** attempt) * Math.random();
        // The first says that it began, then one line a minute or so.
        if (attempt === 1 || attempt % 10 === 0)
          logger.warn({ err, group, attempt, delayMs }, 'a batch is retried');
        await delay(delayMs, undefined, { signal });
      }
    }
  }

  /** Keeps a record as a dead letter. */
  async function bury(
    record: LogRecord,
    { code, error, attempts }: Cause,
    signal: AbortSignal,
  ): Promise<void> {
    const { topic, partition, offset } = record;
    const place = { group, topic, partition, offset: String(offset) };
    logger.error({ err: error, ...place }, 'an event became a dead letter');
    const reason = error instanceof Error ? lastLine(error.message) : 'unknown';
    await retrying(() => project.bury(record, { code, reason, attempts }), signal);
  }

  /** Does `work` on the records, in their order, together or in parts; all that it answers. */
  async function apply<Answer>(
    records: readonly LogRecord[],
    work: (records: readonly LogRecord[]) => Promise<readonly Answer[]>,
    signal: AbortSignal,
    tries = triesTogether,
  ): Promise<readonly Answer[]> {
    const [record, ...others] = records;
    if (!record) return [];
    try {
      return await retrying(() => work(records), signal, others.length > 0 ? tries : undefined);
    } catch (error) {
      signal.throwIfAborted();
      if (others.length > 0) {
        const half = Math.ceil(records.length / 2);
        const first = await apply(records.slice(0, half), work, signal, 1);
        return [...first, ...(await apply(records.slice(half), work, signal, 1))];
      }
      await bury(record, { code: 'REJECTED_EVENT', error, attempts: 1 }, signal);
      return [];
    }
  }

  return { apply, bury };
}

/** Prisma says where it happened first and what happened last. */
function lastLine(message: string): string {
  return message.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}
