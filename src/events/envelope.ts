import { z } from 'zod';
import type { Fields } from './record.ts';
import { instant, name, tenantId } from './text.ts';

/** What every event says about itself, whatever happened. */
export interface Envelope<Type extends string, Data> {
  /** Unique within (tenantId, source): the same id is the same event, however often it arrives. 1..128 characters. */
  readonly id: string;
  /** Who produced it, e.g. `api`. */
  readonly source: string;
  readonly type: Type;
  readonly tenantId: string;
  readonly userId: string;
  /** When it happened; when it was produced is the record's own timestamp. */
  readonly occurredAt: Date;
  readonly data: Data;
  /** Of `data`; raised when an old worker could not read it. */
  readonly schemaVersion: number;
}

/** One kind of event: the topic it travels on and the shape of its data. */
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

/** Others write some of these, of their own meaning, and never all. */
const ownFields = ['type', 'source', 'tenantId', 'occurredAt', 'schemaVersion'];

/** Whether this is written as we write events ourselves, be it readable or not. */
export function isEnvelope(fields: Fields): boolean {
  return ownFields.every((field) => Object.hasOwn(fields, field));
}
