import { validate as isUuid, v5 as uuidV5 } from 'uuid';
import type { Event } from '../../events/event.ts';

/** Namespace of row ids for events whose own id is not a uuid. */
const rowNamespace = 'b3c1b1a4-3d5f-4a0e-8f0c-6b8a2f0c9d11';

/** The uuid of an event's row: the id of the event, or a uuid derived from its source and id. */
export function rowIdOf({ id, source }: Pick<Event, 'id' | 'source'>): string {
  return isUuid(id) ? id.toLowerCase() : derivedId(id, source);
}

/** The uuid of an activity's row. Other producers choose ids freely, so only an id of our API is used as it is. */
export function activityIdOf({ id, source }: Pick<Event, 'id' | 'source'>): string {
  return source === 'api' && isUuid(id) ? id.toLowerCase() : derivedId(id, source);
}

const derivedId = (id: string, source: string) => uuidV5(JSON.stringify([source, id]), rowNamespace);
