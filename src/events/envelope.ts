import { z } from 'zod';
import type { Fields } from './record.ts';
import { instant, name, tenantId } from './text.ts';

/** The fields that every event has. */
export interface Envelope<Type extends string, Data> {
  /**
   * Unique within (tenantId, source). Two records with the same id contain the same event. 1..128 characters.
   */
  readonly id: string;
  /** The producer, e.g. `api`. */
  readonly source: string;
  readonly type: Type;
  readonly tenantId: string;
  readonly userId: string;
  /**
   * The time at which the event happened. The timestamp of the record is the time at which the event was
   * sent.
   */
  readonly occurredAt: Date;
  readonly data: Data;
  /** The version of `data`. The version increases with a change that older workers cannot read. */
  readonly schemaVersion: number;
}

/** A family is a kind of event, with its topic and the schema of its data. */
export interface EventFamily<Type extends string, Schema extends z.ZodType> {
  readonly type: Type;
  readonly topic: string;
  readonly schemaVersion: number;
  readonly data: Schema;
}

/** The type of the events of a family. */
export type EventOf<Family> =
  Family extends EventFamily<infer Type, infer Schema> ? Envelope<Type, z.output<Schema>> : never;

export const envelope = z.object({
  id: name,
  source: name,
  type: z.string(),
  tenantId,
  userId: name,
  occurredAt: instant,
  data: z.unknown(),
  schemaVersion: z.int().min(1),
});

/**
 * The fields that identify the envelope of Unseen. Other systems may use some of these names with another
 * meaning, but never all of them.
 */
const ownFields = ['type', 'source', 'tenantId', 'occurredAt', 'schemaVersion'];

/** Whether the fields are the envelope of Unseen, even if its content is invalid. */
export function isEnvelope(fields: Fields): boolean {
  return ownFields.every((field) => Object.hasOwn(fields, field));
}
