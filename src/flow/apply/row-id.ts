import { validate as isUuid, v5 as uuidV5 } from 'uuid';
import type { Event } from '../../events/event.ts';

/** Namespace of the row ids of events whose own id is no UUID. */
const rowNamespace = 'b3c1b1a4-3d5f-4a0e-8f0c-6b8a2f0c9d11';

/** The UUID of an event's row. It is the id of the event, or is derived from the source and the id. */
export function rowIdOf({ id, source }: Pick<Event, 'id' | 'source'>): string {
  return isUuid(id) ? id.toLowerCase() : derivedId(id, source);
}

/**
 * The UUID of an activity's row. Other producers choose their ids freely, so only an id from the API is used
 * unchanged.
 */
export function activityIdOf({ id, source }: Pick<Event, 'id' | 'source'>): string {
  return source === 'api' && isUuid(id) ? id.toLowerCase() : derivedId(id, source);
}

const derivedId = (id: string, source: string) => uuidV5(JSON.stringify([source, id]), rowNamespace);
