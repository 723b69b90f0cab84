import { v5 as uuidV5 } from 'uuid';
import { tenantId } from './text.ts';

/** A record of the log, as far as it is used. */
export interface InboundRecord {
  readonly topic: string;
  readonly partition: number;
  /** Increases within (topic, partition). */
  readonly offset: bigint;
  readonly key: string | null;
  /** Null means a tombstone. */
  readonly value: Uint8Array | null;
  /**
   * The headers of the record. Empty for our own events. A repeated name, a null value, and bytes that are
   * not UTF-8 or contain U+0000 are stored in `exactHeaders`. So is the key if it has such bytes, and `key`
   * then has replacement characters.
   */
  readonly headers: Readonly<Record<string, string>>;
  /** When it was appended. */
  readonly appendedAt: Date;
  /**
   * Why the log cannot read the record. `value` then holds the stored bytes, which may be a whole compressed
   * batch.
   */
  readonly unreadable?: string;
}

/**
 * Headers that hold, as JSON, the bytes that text cannot: the key, and a list of header names and values. The
 * log restores them when the record is written again.
 */
export const exactHeaders = { key: 'unseen-exact-key', headers: 'unseen-exact-headers' } as const;

/** Headers of a dead letter that was put back on its topic: the original place of the record. */
export const originHeaders = {
  topic: 'unseen-origin-topic',
  partition: 'unseen-origin-partition',
  offset: 'unseen-origin-offset',
} as const;

/**
 * Header of an event that its sender applied and marked in the transaction that wrote the record. A consumer that finds the
 * mark in its database skips the event. Without the mark, the event is applied like any other: the header says where to
 * look, not what to believe. The mark is absent in the database of another installation and after a backup was restored.
 */
export const appliedHeader = 'unseen-applied';

/** A JSON object of a foreign producer. */
export type Fields = Readonly<Record<string, unknown>>;

/** Reads bytes as text. Throws if they are not UTF-8. */
export const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses bytes as a JSON object. Returns a string with the problem if they are none. */
export function readObject(bytes: Uint8Array): Fields | string {
  try {
    const json: unknown = JSON.parse(utf8.decode(bytes));
    const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
    return isObject ? (json as Fields) : 'must be a JSON object';
  } catch (error) {
    return error instanceof SyntaxError ? 'not JSON' : 'not UTF-8';
  }
}

/** The UUID namespace for records without an id. */
const placeNamespace = '5f0a7c54-9f3e-4c0c-8d35-3b3f9f4a6c1e';

/**
 * The id of an event without an id, derived from its place in the log, so that a redelivery is a repeat. A
 * record that was put back keeps the id of its original place.
 */
export function idOfPlace({ topic, partition, offset, headers }: InboundRecord): string {
  const place = [
    headers[originHeaders.topic] ?? topic,
    Number(headers[originHeaders.partition] ?? partition),
    headers[originHeaders.offset] ?? String(offset),
  ];
  return uuidV5(JSON.stringify(place), placeNamespace);
}

/** The tenant in the key `tenant/user`, if the key names this user. Otherwise `default`. */
export function tenantOf({ key }: InboundRecord, userId: string): string {
  const slash = key?.indexOf('/') ?? -1;
  const named = key?.slice(0, slash);
  return slash > 0 && key?.slice(slash + 1) === userId && tenantId.safeParse(named).success
    ? (named as string)
    : 'default';
}

/** The first of the fields that is present. Null counts as absent, because many producers write it. */
export function firstOf(fields: Fields, ...names: readonly string[]): unknown {
  return names
    .filter((name) => Object.hasOwn(fields, name))
    .map((name) => fields[name])
    .find((value) => value !== null && value !== undefined);
}
