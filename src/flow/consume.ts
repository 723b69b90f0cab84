import { setTimeout as delay } from 'node:timers/promises';
import { topics } from '../events/topic.ts';
import type { Consumption, EventLog, LogRecord } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';
import { createIsolate } from './isolate.ts';
import type { Project } from './project.ts';

/** Consumer group of the projections. */
export const projectionGroup = 'unseen-projections';

/** Takes batches from the log to the projections. */
export function createConsume(
  {
    log,
    project,
    logger,
  }: {
    readonly log: EventLog;
    readonly project: Pick<Project, 'apply' | 'bury' | 'probe'>;
    readonly logger: Logger;
  },
  {
    maxBackoffMs,
    unknownUserWaitMs = 3_000,
  }: {
    readonly maxBackoffMs?: number;
    /** How long a notification waits for its user to be created before it becomes a dead letter. */
    readonly unknownUserWaitMs?: number;
  } = {},
) {
  const isolate = createIsolate({ group: projectionGroup, project, logger }, { maxBackoffMs });

  /** Applies the records; returns those that wait for a user. */
  const apply = (records: readonly LogRecord[], signal: AbortSignal) =>
    isolate.apply(records, project.apply, signal);

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
    for (const record of waiting)
      await isolate.bury(record, { code: 'USER_NOT_FOUND', error, attempts }, signal);
  }

  const consumed = Object.values(topics);
  return {
    start: (): Promise<Consumption> => log.consume(projectionGroup, consumed, handle),
    /** Records that are not applied yet, over all processes. Rejects with UNAVAILABLE. */
    lag: (): Promise<bigint> => log.lag(projectionGroup, consumed),
  };
}
