import type { Problem } from '../../domain/problem.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import type { IdempotencyStore } from '../../ports/store/idempotency.ts';
import type { PreferenceStore } from '../../ports/store/preferences.ts';
import type { Quotas } from './quota.ts';

/** The `source` of events that callers record through the API. */
export const source = 'api';

/**
 * The ids of the recorded events, in the order of the input, and the problems of the refused inputs. The
 * recorded events are durable.
 */
export interface Recorded {
  readonly eventIds: readonly string[];
  readonly problems: readonly Problem[];
}

export interface RecordDeps {
  readonly log: EventLog;
  readonly store: PreferenceStore & IdempotencyStore;
  readonly clock: Clock;
}

export interface RecordOptions {
  readonly retentionDays: number;
  readonly lockedCategories?: readonly string[];
  /** Defaults to no quotas. */
  readonly quotas?: Pick<Quotas, 'activity' | 'notifications'>;
}

/** The dependencies and options of a step, with the defaults filled in. */
export interface RecordContext extends RecordDeps, Required<RecordOptions> {}
