import type { Caller } from '../../domain/caller.ts';
import { type Ingested, ingestLimitEvent } from '../../events/limit-event.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { createQuotas, type Quotas, unlimited } from './quota.ts';

/**
 * The outcome of ingesting an event. QUOTA_EXCEEDED means that the user or the tenant has reached the daily
 * quota.
 */
export type IngestedLimitEvent =
  | Ingested
  | { readonly outcome: 'QUOTA_EXCEEDED'; readonly eventId: string; readonly message: string };

/**
 * Creates a function that accepts limit events in the format of their producers. The function sends the
 * events to the log, unmodified and in order. Returns the outcome of each event. When a call resolves, the
 * accepted events are durable. A worker applies each event once, even if it is ingested several times.
 * Rejects with UNAVAILABLE if it is unknown which events were stored. The caller then ingests all of them
 * again.
 */
export function createIngest(
  { log, clock }: { readonly log: EventLog; readonly clock: Clock },
  {
    quotas = createQuotas({ clock }, unlimited),
  }: {
    /** Defaults to no quotas. */
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
