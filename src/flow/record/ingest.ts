import type { Caller } from '../../domain/caller.ts';
import { type Ingested, ingestLimitEvent } from '../../events/limit-event.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { createQuotas, type Quotas, unlimited } from './quota.ts';

/** What became of an event: QUOTA_EXCEEDED when the day of its user or tenant has no room for it. */
export type IngestedLimitEvent =
  | Ingested
  | { readonly outcome: 'QUOTA_EXCEEDED'; readonly eventId: string; readonly message: string };

/**
 * Takes events as their producers write them to the log, unmodified and in their order; what became of each. When it
 * resolves, those that were accepted are durable, and a worker applies each once, however often it was brought in. Rejects
 * with UNAVAILABLE: unknown which, bring in all of them again.
 */
export function createIngest(
  { log, clock }: { readonly log: EventLog; readonly clock: Clock },
  {
    quotas = createQuotas({ clock }, unlimited),
  }: {
    /** Default: any number. */
    readonly quotas?: Pick<Quotas, 'limitEvents'>;
  } = {},
) {
  function take(tenantId: string, result: Ingested): IngestedLimitEvent {
    if (result.outcome !== 'ACCEPTED') return result;
    const { eventId, userId } = result;
    const exceeded = quotas.limitEvents.take({ tenantId, userId }, 1, []);
    return exceeded ? { outcome: 'QUOTA_EXCEEDED', eventId, message: exceeded.message } : result;
  }

  return {
    async limitEvents(
      { tenantId }: Pick<Caller, 'tenantId'>,
      events: readonly Uint8Array[],
    ): Promise<readonly IngestedLimitEvent[]> {
      const now = clock.now();
      const results = events.map((event) => take(tenantId, ingestLimitEvent(tenantId, event, now)));
      const records = results.flatMap((result) => (result.outcome === 'ACCEPTED' ? [result.record] : []));
      if (records.length > 0) await log.send(records);
      return results;
    },
  };
}

export type Ingest = ReturnType<typeof createIngest>;
