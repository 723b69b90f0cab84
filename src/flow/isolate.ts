import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, isRetriable, tookTooLong } from '../domain/error.ts';
import type { LogRecord } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import type { Project } from './project.ts';

/** After so many the batch is tried in parts, also where a backend failed. Of that alone nothing becomes a dead letter. */
const triesTogether = 3;

/**
 * A record that took too long so often is set aside, when the backend was well each time. A statement ends after 5 s: once
 * with its batch, once with its part, twice alone, and the records behind it have waited for 20 s.
 */
const triesTooLong = 4;

/** Why a record becomes a dead letter. */
interface Cause {
  readonly code: ErrorCode;
  readonly error: unknown;
  readonly attempts: number;
}

/**
 * Decides about failures of a consumer group: what a backend caused is retried without limit, with backoff and jitter; what
 * one event caused is isolated by trying the batch in parts and kept as a dead letter, and what is behind it continues. So is
 * an event that takes longer than a statement may while the backend is well. Nothing is ever skipped without a trace. All of
 * it rejects soon after its signal is aborted.
 */
export function createIsolate(
  {
    group,
    project,
    logger,
  }: { readonly group: string; readonly project: Pick<Project, 'bury' | 'probe'>; readonly logger: Logger },
  { maxBackoffMs = 4_000 }: { readonly maxBackoffMs?: number | undefined } = {},
) {
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

  /** Whether the work itself took too long, and not everything does. */
  const isTooMuch = async (error: unknown) =>
    tookTooLong(error) &&
    (await project.probe().then(
      () => true,
      () => false,
    ));

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
            if (isTooMany) times += 1;
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
      let attempts = 0;
      let times = tooLong;
      try {
        return await retrying(
          () => work([record]),
          signal,
          async (error, attempt) => {
            attempts = attempt;
            times = (await isTooMuch(error)) ? times + 1 : 0;
            return times >= triesTooLong;
          },
        );
      } catch (error) {
        signal.throwIfAborted();
        const cause: Cause = tookTooLong(error)
          ? { code: 'TOO_SLOW', error: new Error('It took longer than a statement may.'), attempts }
          : { code: 'REJECTED_EVENT', error, attempts: 1 };
        await bury(record, cause, signal);
      }
    }

    return together(records, 0, triesTogether);
  }

  return { apply };
}

/** Prisma says where it happened first and what happened last. */
function lastLine(message: string): string {
  return message.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}
