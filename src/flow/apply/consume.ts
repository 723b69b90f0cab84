import { topics } from '../../events/topic.ts';
import type { Consumption, EventLog } from '../../ports/event-log.ts';
import type { Logger } from '../../ports/logger.ts';
import { createIsolate, defaultMaxLockedMs } from './isolate.ts';
import type { Project } from './project.ts';

/** The consumer group of the projections. */
export const projectionGroup = 'unseen-projections';

/** Consumes the log and applies its records to the projections. */
export function createConsume(
  {
    log,
    project,
    logger,
  }: {
    readonly log: EventLog;
    readonly project: Pick<Project, 'apply' | 'deadLetter' | 'probe'>;
    readonly logger: Logger;
  },
  {
    maxBackoffMs,
    maxLockedMs = defaultMaxLockedMs,
  }: { readonly maxBackoffMs?: number; readonly maxLockedMs?: number } = {},
) {
  const isolate = createIsolate({ group: projectionGroup, project, logger }, { maxBackoffMs, maxLockedMs });
  const consumed = Object.values(topics);
  return {
    start: (): Promise<Consumption> =>
      log.consume(projectionGroup, consumed, (records, signal) =>
        isolate.apply(records, project.apply, signal),
      ),
    /** Returns the number of records that are not applied yet, in all processes. Rejects with UNAVAILABLE. */
    lag: (): Promise<bigint> => log.lag(projectionGroup, consumed),
  };
}
