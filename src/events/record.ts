import { v5 as uuidV5 } from 'uuid';
import { tenantId } from './text.ts';

/** A record as it comes from the log, and what is used of it. */
export interface InboundRecord {
  readonly topic: string;
  readonly partition: number;
  /** Grows within (topic, partition). */
  readonly offset: bigint;
  readonly key: string | null;
  /** null: a tombstone. */
  readonly value: Uint8Array | null;
  /**
   * Of the record, not of its value; empty for events of ours. A name that comes twice, a null value and bytes that are
   * not UTF-8 or have a U+0000 are in `exactHeaders`, as are those of the key, which has replacement characters then.
   */
  readonly headers: Readonly<Record<string, string>>;
  /** When it was appended. */
  readonly appendedAt: Date;
  /** Why the log cannot read it. `value` is then what is stored, as it is: of a compressed batch all its records. */
  readonly unreadable?: string;
}

/**
 * Headers that hold, as JSON, what text cannot: the bytes of the key, and a list of names and values. The log turns them
 * back when the record is written again.
 */
export const exactHeaders = { key: 'unseen-exact-key', headers: 'unseen-exact-headers' } as const;

/** Headers of a dead letter that was put back on its topic: where the record stood first. */
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

/** A JSON object that somebody else wrote. */
export type Fields = Readonly<Record<string, unknown>>;

/** Reads bytes as text; throws where they are not UTF-8. */
export const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON object that bytes hold, or why they hold none. */
export function readObject(bytes: Uint8Array): Fields | string {
  try {
    const json: unknown = JSON.parse(utf8.decode(bytes));
    const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
    return isObject ? (json as Fields) : 'must be a JSON object';
  } catch (error) {
    return error instanceof SyntaxError ? 'not JSON' : 'not UTF-8';
  }
}

/** Namespace of ids for records that carry none. */
const placeNamespace = '5f0a7c54-9f3e-4c0c-8d35-3b3f9f4a6c1e';

/**
 * The id of an event that carries none: the same place is the same event, so a redelivery is a repeat. A record that was
 * put back is still the event of its first place, however often it was.
 */
export function idOfPlace({ topic, partition, offset, headers }: InboundRecord): string {
  const place = [
    headers[originHeaders.topic] ?? topic,
    Number(headers[originHeaders.partition] ?? partition),
    headers[originHeaders.offset] ?? String(offset),
  ];
  return uuidV5(JSON.stringify(place), placeNamespace);
}

/** The tenant that the key `tenant/user` names, when it names this user; otherwise `default`. */
export function tenantOf({ key }: InboundRecord, userId: string): string {
  const slash = key?.indexOf('/') ?? -1;
  const named = key?.slice(0, slash);
  return slash > 0 && key?.slice(slash + 1) === userId && tenantId.safeParse(named).success
    ? (named as string)
    : 'default';
}

/** The first of the fields that is there; null counts as absent, as many producers write it. */
export function firstOf(fields: Fields, ...names: readonly string[]): unknown {
  return names
    .filter((name) => Object.hasOwn(fields, name))
    .map((name) => fields[name])
    .find((value) => value !== null && value !== undefined);
}
