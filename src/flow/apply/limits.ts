import { type LimitKey, limitDueAt } from '../../domain/limit.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import { type LimitEvent, limitFamilies } from '../../events/limit.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import { publishLimits } from '../deliver/publish.ts';
import { applyLimitEvents, type LimitChanges, limitKeyOf, noLimitChanges } from './apply-limits.ts';
import type { Stage } from './stage.ts';

/**
 * Creates the stage that applies limit events while the users of the limits are locked. The stage notifies
 * users whose limits reach a threshold.
 */
export function createLimitStage(
  deps: { readonly pubSub: PubSub; readonly logger: Logger },
  { thresholds }: { readonly thresholds: LimitThresholds | undefined },
) {
  let disagreements = 0;

  const stage: Stage<LimitEvent> = {
    types: limitFamilies.map(({ type }) => type),
    select(records, now) {
      const events = records.map(({ event }) => event);
      let changes: LimitChanges = noLimitChanges;
      return {
        creates: events,
        locks: events,
        isPublished: true,
        // Runs before inboxes are locked, because the limits determine which users receive a notification.
        async lock(transaction, locking) {
          const found = transaction.limits(limitKeysOf(events));
          const [fresh, users, limits] = await Promise.all([locking.fresh, locking.users, found]);
          changes = applyLimitEvents({ users, found: limits }, events, fresh, { now, thresholds });
          return { notifications: changes.notifications, dueAt: changes.changed.map(limitDueAt) };
        },
        write: (transaction) => [
          transaction.saveLimits(changes.changed),
          transaction.addLimitEvents(changes.records),
        ],
        async publish() {
          disagreements += changes.disagreements;
          if (changes.all.length > 0) await publishLimits(deps, changes.all);
        },
      };
    },
  };

  return {
    stage,
    /**
     * Returns the number of progress events whose used and remaining amounts do not add up to the value of
     * the limit.
     */
    limitDisagreements: (): number => disagreements,
  };
}

function limitKeysOf(events: readonly LimitEvent[]): readonly LimitKey[] {
  const keys = new Map<string, LimitKey>();
  for (const { tenantId, userId, data } of events) {
    const key = { tenantId, userId, userLimitId: data.userLimitId };
    keys.set(limitKeyOf(key), key);
  }
  return [...keys.values()];
}
