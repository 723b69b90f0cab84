import { validate as isUuid, v5 as uuidV5 } from 'uuid';
import type { Event } from '../../events/event.ts';

/** The UUID namespace of the row ids of events whose own id is not a UUID. */
const rowNamespace = 'b3c1b1a4-3d5f-4a0e-8f0c-6b8a2f0c9d11';

/**
 * Returns the UUID of the row of an event. If the id of the event is a UUID, this id is used. Otherwise the
 * UUID is derived from the source and the id.
 */
export function rowIdOf({ id, source }: Pick<Event, 'id' | 'source'>): string {
  return isUuid(id) ? id.toLowerCase() : derivedId(id, source);
}

/**
 * Returns the UUID of the row of an activity. Only an id from the API is used unchanged, because other
 * producers choose their ids freely.
 */
export function activityIdOf({ id, source }: Pick<Event, 'id' | 'source'>): string {
  return source === 'api' && isUuid(id) ? id.toLowerCase() : derivedId(id, source);
}

const derivedId = (id: string, source: string) => uuidV5(JSON.stringify([source, id]), rowNamespace);
