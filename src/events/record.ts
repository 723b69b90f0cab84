import { v5 as uuidV5 } from 'uuid';
import { tenantId } from './text.ts';

/** The parts of a log record that Unseen uses. */
export interface InboundRecord {
  readonly topic: string;
  readonly partition: number;
  /** Increases within (topic, partition). */
  readonly offset: bigint;
  readonly key: string | null;
  /** Null means a tombstone. */
  readonly value: Uint8Array | null;
  /**
   * The headers of the record. Empty for the events of Unseen. A header does not fit here if its name is
   * repeated, its value is null, or its bytes are not UTF-8 or contain U+0000. Headers that do not fit are
   * stored in `exactHeaders`. A key with such bytes is stored there too, and `key` then has replacement
   * characters.
   */
  readonly headers: Readonly<Record<string, string>>;
  /** The time at which the record was appended. */
  readonly appendedAt: Date;
  /**
   * The reason if the log cannot read the record. `value` then has the stored bytes, which may be a whole
   * compressed batch.
   */
  readonly unreadable?: string;
}

/**
 * The names of two headers with JSON values. The headers store bytes that are not valid text: the key, and a
 * list of header names and values. The log restores these bytes when the record is written again.
 */
export const exactHeaders = { key: 'unseen-exact-key', headers: 'unseen-exact-headers' } as const;

/**
 * Headers of a record that was a dead letter and was sent to its topic again. These headers name the original
 * place of the record.
 */
export const originHeaders = {
  topic: 'unseen-origin-topic',
  partition: 'unseen-origin-partition',
  offset: 'unseen-origin-offset',
} as const;

/**
 * Header of an event that its sender has already applied. The transaction that wrote the record also added a
 * mark, which is a row that records that the event was applied. A consumer that finds the mark in its
 * database skips the event. Without the mark, the consumer applies the event like any other. So the header
 * only says where to look. The mark is absent in the database of another installation, and may be absent
 * after a backup was restored.
 */
export const appliedHeader = 'unseen-applied';

/** A JSON object of another system. */
export type Fields = Readonly<Record<string, unknown>>;

/** Reads bytes as text. Throws if they are not UTF-8. */
export const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses bytes as a JSON object. If the bytes are not a JSON object, returns a string with the problem. */
export function readObject(bytes: Uint8Array): Fields | string {
  try {
    const json: unknown = JSON.parse(utf8.decode(bytes));
    const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
    return isObject ? (json as Fields) : 'must be a JSON object';
  } catch (error) {
    return error instanceof SyntaxError ? 'not JSON' : 'not UTF-8';
  }
}

/** The UUID namespace of the ids of events that have no id of their own. */
const placeNamespace = '5f0a7c54-9f3e-4c0c-8d35-3b3f9f4a6c1e';

/**
 * Returns an id for an event without an id. The id is derived from the place of the record in the log, so a
 * redelivered record gives the same id. A dead letter that was sent to its topic again keeps the id of its
 * original place.
 */
export function idOfPlace({ topic, partition, offset, headers }: InboundRecord): string {
  const place = [
    headers[originHeaders.topic] ?? topic,
    Number(headers[originHeaders.partition] ?? partition),
    headers[originHeaders.offset] ?? String(offset),
  ];
  return uuidV5(JSON.stringify(place), placeNamespace);
}

/**
 * Returns the tenant from a key of the form `tenant/user` if the key names this user. Otherwise returns
 * `default`.
 */
export function tenantOf({ key }: InboundRecord, userId: string): string {
  const slash = key?.indexOf('/') ?? -1;
  const named = key?.slice(0, slash);
  return slash > 0 && key?.slice(slash + 1) === userId && tenantId.safeParse(named).success
    ? (named as string)
    : 'default';
}

/**
 * Returns the value of the first field that is present. Null counts as absent, because many producers write
 * null for an absent field.
 */
export function firstOf(fields: Fields, ...names: readonly string[]): unknown {
  return names
    .filter((name) => Object.hasOwn(fields, name))
    .map((name) => fields[name])
    .find((value) => value !== null && value !== undefined);
}
