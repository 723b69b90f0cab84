import { z } from 'zod';
import type { Fields } from './record.ts';
import { instant, name, tenantId } from './text.ts';

/** The fields that every event has. */
export interface Envelope<Type extends string, Data> {
  /**
   * Unique within (tenantId, source). Events with the same id are the same event, however often they arrive.
   * 1..128 characters.
   */
  readonly id: string;
  /** The producer, e.g. `api`. */
  readonly source: string;
  readonly type: Type;
  readonly tenantId: string;
  readonly userId: string;
  /** When it happened. The timestamp of the record says when it was produced. */
  readonly occurredAt: Date;
  readonly data: Data;
  /** The version of `data`. It increases if an old worker cannot read the new form. */
  readonly schemaVersion: number;
}

/** One kind of event: its topic and the shape of its data. */
export interface EventFamily<Type extends string, Schema extends z.ZodType> {
  readonly type: Type;
  readonly topic: string;
  readonly schemaVersion: number;
  readonly data: Schema;
}

/** The event of a family. */
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

/** Foreign producers may write some of these fields with another meaning, but never all of them. */
const ownFields = ['type', 'source', 'tenantId', 'occurredAt', 'schemaVersion'];

/** Whether this is our own envelope, even if it is not readable. */
export function isEnvelope(fields: Fields): boolean {
  return ownFields.every((field) => Object.hasOwn(fields, field));
}
