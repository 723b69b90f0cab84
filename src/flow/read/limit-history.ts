import type { Decimal } from '../../domain/decimal.ts';
import { changeOf, type LimitRecord, progressAfter, resetValueOf } from '../../domain/limit.ts';
import type { LimitEvent } from '../../events/limit.ts';
import { rereadLimitEvent } from '../../events/limit-event.ts';
import type { LimitHistoryEntry } from '../../ports/store/limits.ts';

/** An event of a limit, with what was used after it as far as it and the events before it say. */
export type LimitHistoryEvent = LimitRecord & { readonly progressAfter: Decimal };

/**
 * Worked out when it is read: which value was in force may become known later than what was used of it, and the history is
 * the same in whatever order its events came.
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
