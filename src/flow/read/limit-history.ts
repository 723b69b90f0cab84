import type { Decimal } from '../../domain/decimal.ts';
import { changeOf, type LimitRecord, progressAfter, resetValueOf } from '../../domain/limit.ts';
import type { LimitEvent } from '../../events/limit.ts';
import { rereadLimitEvent } from '../../events/limit-event.ts';
import type { LimitHistoryEntry } from '../../ports/store/limits.ts';

/**
 * An event of a limit, with the progress after the event. The progress is computed from this event and the
 * events before it.
 */
export type LimitHistoryEvent = LimitRecord & { readonly progressAfter: Decimal };

/**
 * Adds the progress after an event. The progress is computed at each read, because the value that was in
 * force may become known after the progress. So the history does not depend on the order in which the events
 * arrive.
 */
export function withProgress({ said, definedBy, ...record }: LimitHistoryEntry): LimitHistoryEvent {
  return { ...record, progressAfter: said ? progressBy(said, definedBy, record) : '0' };
}

function progressBy(
  said: NonNullable<LimitHistoryEntry['said']>,
  definedBy: string | null,
  { eventId: id, source, tenantId, userId }: LimitRecord,
): Decimal {
  const reread = (raw: string) => rereadLimitEvent(raw, { id, source, tenantId, userId });
  const event = said.type === 'USER_LIMIT_PROGRESS_CHANGED' ? reread(said.raw) : undefined;
  if (event?.type !== 'userLimitProgressChanged') return said.progressAfter;
  const definition = definedBy === null ? undefined : reread(definedBy);
  return progressAfter(changeOf(event), definition ? valueBy(definition) : null);
}

function valueBy(event: LimitEvent): Decimal | null {
  if (event.type === 'userLimitCreated') return event.data.value;
  return event.type === 'userLimitReset' ? resetValueOf(event) : null;
}
