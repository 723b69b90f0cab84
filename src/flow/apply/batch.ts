import { distinctUsers, type UserKey } from '../../domain/user.ts';
import type { LogRecord } from '../../ports/event-log.ts';
import type { DeadLetter } from '../../ports/store/dead-letters.ts';
import { type ReadRecord, readRecords } from './read-records.ts';
import type { Stage, StageRun } from './stage.ts';

/**
 * The events of a batch of records, the runs of their stages, and the combined effects of these runs. A run
 * is one execution of a stage for the events of the batch.
 */
export interface Batch {
  readonly now: Date;
  /** The events, in the order of the log. */
  readonly events: readonly (ReadRecord & { readonly run: StageRun })[];
  /** The runs of the stages that have events in this batch, in the order of the stages. */
  readonly runs: readonly StageRun[];
  readonly creates: readonly UserKey[];
  readonly locks: readonly UserKey[];
  readonly recipients: readonly UserKey[];
  readonly groups: NonNullable<StageRun['groups']>;
  readonly visits: NonNullable<StageRun['visits']>;
  readonly isPublished: boolean;
  readonly deadLetters: readonly DeadLetter[];
  readonly ignoredRecords: number;
}

/** Decodes records and passes each event to the stage for its type. Events without a stage are ignored. */
export function selectBatch(stages: readonly Stage[], records: readonly LogRecord[], now: Date): Batch {
  const { events: all, deadLetters, ignoredRecords } = readRecords(records, now);
  const recordsByStage = new Map(stages.map((stage): [Stage, ReadRecord[]] => [stage, []]));
  const stageByType = new Map(stages.flatMap((stage) => stage.types.map((type) => [type, stage] as const)));
  for (const read of all) {
    const stage = stageByType.get(read.event.type);
    if (stage) recordsByStage.get(stage)?.push(read);
  }
  const runByType = new Map<string, StageRun>();
  const runs = stages.flatMap((stage) => {
    const own = recordsByStage.get(stage) ?? [];
    if (own.length === 0) return [];
    const run = stage.select(own, now);
    for (const type of stage.types) runByType.set(type, run);
    return run;
  });
  const events = all.flatMap(({ event, record }) => {
    const run = runByType.get(event.type);
    return run ? { event, record, run } : [];
  });
  return {
    now,
    events,
    runs,
    creates: distinctUsers(runs.flatMap(({ creates = [] }) => creates)),
    locks: distinctUsers(runs.flatMap(({ locks = [] }) => locks)),
    recipients: distinctUsers(runs.flatMap(({ recipients = [] }) => recipients)),
    groups: runs.flatMap(({ groups = [] }) => groups),
    visits: runs.flatMap(({ visits = [] }) => visits),
    isPublished: runs.some(({ isPublished }) => isPublished),
    deadLetters,
    ignoredRecords: ignoredRecords + all.length - events.length,
  };
}
