import type { Caller } from '../../domain/caller.ts';
import { timelinessProblem } from '../../domain/page-view.ts';
import { problemsOf } from '../../domain/problem.ts';
import type { Event } from '../../events/event.ts';
import { itemViewed, maxItems } from '../../events/item-view.ts';
import { type RecordContext, type Recorded, source } from './context.ts';
import { eventIdOf } from './idempotency.ts';

/** Items that a user viewed. The caller has checked that `userId` is a valid name. */
export interface ItemViewsInput {
  readonly userId: string;
  readonly collection: string;
  readonly itemIds: readonly string[];
  /** Absent: now. */
  readonly occurredAt?: Date | undefined;
}

/** Records that a user viewed items of a collection, as one event. */
export async function recordItemViews(
  { log, clock, retentionDays, quotas }: RecordContext,
  caller: Caller,
  input: ItemViewsInput,
): Promise<Recorded> {
  const now = clock.now();
  const { userId, collection, occurredAt = now } = input;
  if (input.itemIds.length > maxItems) {
    const message = `itemIds must have 1 to ${maxItems} entries.`;
    return {
      eventIds: [],
      problems: [{ code: 'TOO_MANY_ITEMS', message, path: ['input', 'itemIds'] }],
    };
  }
  const data = itemViewed.data.safeParse({ collection, itemIds: [...new Set(input.itemIds)] });
  if (!data.success) return { eventIds: [], problems: problemsOf(data.error, ['input']) };
  const untimely = timelinessProblem(occurredAt, now, retentionDays, ['input', 'occurredAt']);
  if (untimely) return { eventIds: [], problems: [untimely] };
  const exceeded = quotas.activity.take({ tenantId: caller.tenantId, userId }, data.data.itemIds.length, [
    'input',
  ]);
  if (exceeded) return { eventIds: [], problems: [exceeded] };
  const event: Event = {
    id: eventIdOf(caller, 'recordItemViews', undefined, now),
    source,
    type: itemViewed.type,
    tenantId: caller.tenantId,
    userId,
    occurredAt,
    data: data.data,
    schemaVersion: itemViewed.schemaVersion,
  };
  await log.append([event]);
  return { eventIds: [event.id], problems: [] };
}
