import type { LimitThresholds } from '../../domain/limit-use.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { PartitionStore } from '../../ports/store/partitions.ts';
import { createItemViewStage } from './item-views.ts';
import { createLimitStage } from './limits.ts';
import { notificationStage } from './notifications.ts';
import { createPageViewStage } from './page-views.ts';
import type { Stage } from './stage.ts';

export interface StageOptions {
  /** The maximum age of stored views, in days. */
  readonly retentionDays: number;
  /** The number of days for which items count and views of items are stored. */
  readonly viewHorizonDays: number;
  /** The thresholds at which users are notified about their limits. If absent, no user is notified. */
  readonly limitThresholds: LimitThresholds | undefined;
}

interface StageDeps {
  readonly store: PartitionStore;
  readonly pubSub: PubSub;
  readonly logger: Logger;
}

/** Creates all stages and their counters. The stages write and publish in the order of this list. */
export function createStages(deps: StageDeps, options: StageOptions) {
  const itemViews = createItemViewStage(deps, options);
  const limits = createLimitStage(deps, { thresholds: options.limitThresholds });
  const stages: readonly Stage[] = [
    createPageViewStage(deps, options),
    itemViews.stage,
    notificationStage,
    limits.stage,
  ];
  return {
    stages,
    counters: { unkeptViews: itemViews.unkeptViews, limitDisagreements: limits.limitDisagreements },
  };
}

export type StageCounters = ReturnType<typeof createStages>['counters'];
