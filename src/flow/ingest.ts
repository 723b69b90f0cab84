import type { Caller } from '../domain/caller.ts';
import { type Ingested, ingestLimitEvent } from '../events/limit-event.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';

/**
 * Takes events as their producers write them to the log, unmodified and in their order; what became of each. When it
 * resolves, those that were accepted are durable, and a worker applies each once, however often it was brought in. Rejects
 * with UNAVAILABLE: unknown which, bring in all of them again.
 */
export function createIngest({ log, clock }: { readonly log: EventLog; readonly clock: Clock }) {
  return {
    async limitEvents(
      { tenantId }: Pick<Caller, 'tenantId'>,
      events: readonly Uint8Array[],
    ): Promise<readonly Ingested[]> {
      const now = clock.now();
      const results = events.map((event) => ingestLimitEvent(tenantId, event, now));
      const records = results.flatMap((result) => (result.outcome === 'ACCEPTED' ? [result.record] : []));
      if (records.length > 0) await log.send(records);
      return results;
    },
  };
}

export type Ingest = ReturnType<typeof createIngest>;
