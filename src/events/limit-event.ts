import { z } from 'zod';
import { type Decoded, describe, type Path, unreadable } from './decoded.ts';
import { isEnvelope } from './envelope.ts';
import {
  type LimitEvent,
  momentBounds,
  userLimitCreated,
  userLimitProgressChanged,
  userLimitReset,
} from './limit.ts';
import { type Fields, firstOf, type InboundRecord, idOfPlace, readObject, tenantOf, utf8 } from './record.ts';
import { name } from './text.ts';
import { topics } from './topic.ts';

/** The producer's names of the event types. */
export const limitEventTypes = {
  USER_LIMIT_CREATED: userLimitCreated,
  USER_LIMIT_PROGRESS_CHANGED: userLimitProgressChanged,
  USER_LIMIT_RESET: userLimitReset,
} as const;
export type LimitEventType = keyof typeof limitEventTypes;

const [firstMs, lastMs] = [momentBounds.first.getTime(), momentBounds.last.getTime()];

/**
 * Milliseconds since 1970. If a producer sends the current time in seconds, the number is a time before 1973.
 * Numbers before 1973 are refused.
 */
const epochMs = z
  .number('must be a number of milliseconds since 1970')
  .refine(Number.isInteger, 'must be a whole number of milliseconds since 1970')
  .refine((ms) => ms >= firstMs, 'lies before 1973: send milliseconds since 1970, not seconds')
  .refine((ms) => ms <= lastMs, 'lies beyond the year 9999: send milliseconds since 1970')
  .meta({ type: 'integer', minimum: firstMs, maximum: lastMs, description: 'Milliseconds since 1970.' })
  .transform((ms) => new Date(ms));

/** Maps each event type to the schema of its payload. */
export const limitPayloads = {
  USER_LIMIT_CREATED: userLimitCreated.data.extend({
    nextResetAt: epochMs.optional(),
    activeFrom: epochMs.optional(),
    activeUntil: epochMs.optional(),
  }),
  USER_LIMIT_PROGRESS_CHANGED: userLimitProgressChanged.data.extend({ nextResetAt: epochMs.optional() }),
  USER_LIMIT_RESET: userLimitReset.data.extend({ nextResetAt: epochMs.optional() }),
} as const satisfies Record<LimitEventType, z.ZodType>;

/** The fields around the payload. */
export const limitHead = z.object({
  eventId: name.optional(),
  source: name.optional(),
  createdAt: epochMs,
  userId: name,
});

/** Decodes a limit event in the form of its producer. */
export function decodeLimitEvent(fields: Fields, record: InboundRecord): Decoded {
  const type = firstOf(fields, 'type');
  if (type === undefined) return unreadable('type: is missing');
  if (typeof type !== 'string') return unreadable('type: must be the name of an event');
  if (!Object.hasOwn(limitEventTypes, type)) return { kind: 'ignored', what: 'other limit event' };
  const where = firstOf(fields, 'payload') === undefined ? 'data' : 'payload';
  const payload = firstOf(fields, where);
  if (payload === undefined) return unreadable('payload or data: is missing');
  if (typeof payload !== 'object' || Array.isArray(payload))
    return unreadable(`${where}: must be a JSON object`);
  const said = withoutNulls(payload as Fields);
  said['sequenceNumber'] = fields['sequenceNumber'] ?? undefined;
  said['nextResetAt'] = said['nextResetTime'];
  said['raw'] = utf8.decode(record.value ?? undefined);
  const outer = {
    eventId: fields['eventId'] ?? undefined,
    source: fields['source'] ?? undefined,
    createdAt: fields['createdAt'] ?? undefined,
    userId: said['userId'] ?? fields['aggregateId'] ?? undefined,
  };
  const head = limitHead.safeParse(outer);
  const data = limitPayloads[type as LimitEventType].safeParse(said);
  if (!head.success || !data.success) {
    const inPayload = (path: Path) => placeOf(path, where);
    const reasons = [
      head.error && describe(head.error, outer, (path) => (path[0] === 'userId' ? inPayload(path) : path)),
      data.error && describe(data.error, said, inPayload),
    ];
    const userId = name.safeParse(outer.userId).data;
    const tenantId = userId === undefined ? undefined : tenantOf(record, userId);
    return unreadable(reasons.filter(Boolean).join('; '), tenantId);
  }
  const { eventId, source, createdAt, userId } = head.data;
  const family = limitEventTypes[type as LimitEventType];
  return {
    kind: 'event',
    event: {
      id: eventId ?? idOfPlace(record),
      source: source ?? record.topic,
      type: family.type,
      tenantId: tenantOf(record, userId),
      userId,
      occurredAt: createdAt,
      data: data.data,
      schemaVersion: family.schemaVersion,
    } as LimitEvent,
  };
}

/**
 * Returns the path of a data field in the event of the producer. `where` is the producer's name of the
 * payload.
 */
function placeOf([field = '']: Path, where: string): Path {
  if (field === 'raw') return [];
  if (field === 'sequenceNumber') return [field];
  return [where, field === 'nextResetAt' ? 'nextResetTime' : field];
}

/** Removes null fields, because many producers write null for an absent field. */
function withoutNulls(fields: Fields): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(fields)) {
    if (value !== null && field !== '__proto__') given[field] = value;
  }
  return given;
}

/** The result of ingesting an event. */
export type Ingested =
  | {
      readonly outcome: 'ACCEPTED';
      readonly eventId: string;
      readonly userId: string;
      readonly record: { readonly topic: string; readonly key: string; readonly value: Uint8Array };
    }
  | { readonly outcome: 'IGNORED_TYPE'; readonly eventId: string | null }
  | { readonly outcome: 'INVALID'; readonly eventId: string | null; readonly message: string };

/** The maximum time, in ms, by which an event may be ahead of the clock of the worker. */
const maxAheadMs = 86_400_000;

/**
 * Checks an event in the JSON form of its producer. The event is then appended unmodified to the topic of
 * limits. A worker can read every event that this function accepts.
 */
export function ingestLimitEvent(tenantId: string, value: Uint8Array, now: Date): Ingested {
  const fields = readObject(value);
  if (typeof fields === 'string') return { outcome: 'INVALID', eventId: null, message: fields };
  const id = name.safeParse(fields['eventId']);
  const eventId = id.success ? id.data : null;
  const invalid = (message: string): Ingested => ({ outcome: 'INVALID', eventId, message });
  // Refuses the envelope of Unseen, because a worker trusts the tenant in the envelope.
  if (isEnvelope(fields))
    return invalid('must be as its producer writes it, not in the envelope of this service');
  const place = { partition: 0, offset: 0n, key: null, headers: {}, appendedAt: now };
  const decoded = decodeLimitEvent(fields, { ...place, topic: topics.userLimits, value });
  if (decoded.kind === 'ignored') return { outcome: 'IGNORED_TYPE', eventId };
  if (decoded.kind !== 'event') return invalid('reason' in decoded ? decoded.reason : 'unreadable');
  const { userId, occurredAt } = decoded.event;
  if (eventId === null) return invalid('eventId: must be there, or a repeat would be another event');
  if (occurredAt.getTime() > now.getTime() + maxAheadMs)
    return invalid('createdAt: more than a day ahead of the clock');
  return {
    outcome: 'ACCEPTED',
    eventId,
    userId,
    record: { topic: topics.userLimits, key: `${tenantId}/${userId}`, value },
  };
}

/**
 * Decodes an event that is stored as its producer sent it. `head` has the fields that came from its record.
 * Undefined if the event is not readable.
 */
export function rereadLimitEvent(
  raw: string,
  head: Pick<LimitEvent, 'id' | 'source' | 'tenantId' | 'userId'>,
): LimitEvent | undefined {
  const place = { topic: topics.userLimits, partition: 0, offset: 0n, key: null, headers: {} };
  try {
    const record = { ...place, value: Buffer.from(raw), appendedAt: new Date(0) };
    const decoded = decodeLimitEvent(JSON.parse(raw), record);
    return decoded.kind === 'event' ? ({ ...decoded.event, ...head } as LimitEvent) : undefined;
  } catch {
    return undefined;
  }
}

const wireTypes = new Map(
  Object.entries(limitEventTypes).map(([wireType, { type }]) => [type, wireType as LimitEventType]),
);

/** Returns the producer's name of the event type. */
export function wireTypeOf({ type }: Pick<LimitEvent, 'type'>): LimitEventType {
  return wireTypes.get(type) as LimitEventType;
}

/**
 * Encodes an event of Unseen as JSON in the form of the producer. `extra` has fields that are only in the
 * payload.
 */
export function serializeLimitEvent(event: WithoutRaw<LimitEvent>, extra: Fields = {}): string {
  const { id, source, userId, occurredAt, data } = event;
  const { sequenceNumber, nextResetAt, ...payload } = data;
  const times = Object.entries({ ...payload, nextResetTime: nextResetAt }).map(([field, value]) => [
    field,
    value instanceof Date ? value.getTime() : value,
  ]);
  return JSON.stringify({
    aggregateId: userId,
    context: { correlationId: id },
    createdAt: occurredAt.getTime(),
    eventId: id,
    payload: { userId, ...Object.fromEntries(times), ...extra },
    sequenceNumber,
    source,
    type: wireTypeOf(event),
  });
}

/** An event that is not encoded yet, so it has no `raw`. */
export type WithoutRaw<Event extends LimitEvent> = Event extends LimitEvent
  ? Omit<Event, 'data'> & { readonly data: Omit<Event['data'], 'raw'> }
  : never;
