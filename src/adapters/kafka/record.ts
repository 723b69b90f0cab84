import { isUtf8 } from 'node:buffer';
import { bytesOf, readable } from '../../domain/dead-letter.ts';
import { exactHeaders } from '../../events/record.ts';
import type { LogRecord, OutgoingRecord } from '../../ports/event-log.ts';
import type { Delivered, Header } from './decode-records.ts';

/** What JavaScript's dates and PostgreSQL both take, written with four digits of the year. */
const maxTimestamp = Date.UTC(9999, 11, 31);

/**
 * The record that Kafka delivered. Text holds a key and headers as they are in nearly all records; what it cannot hold is in
 * the headers `unseen-exact-…` beside it. A record without a usable timestamp was appended now.
 */
export function toRecord(topic: string, partition: number, delivered: Delivered): LogRecord {
  const { offset, key, value, headers, timestamp, damage } = delivered;
  const keyText = key && textOf(key);
  return {
    topic,
    partition,
    offset: BigInt(damage?.firstOffset ?? offset),
    key: keyText ?? key?.toString() ?? null,
    value,
    headers: {
      ...toText(headers),
      ...(key && keyText === undefined && { [exactHeaders.key]: JSON.stringify(readable(key)) }),
    },
    appendedAt: timestamp >= 0 && timestamp <= maxTimestamp ? new Date(timestamp) : new Date(),
    ...(damage && { unreadable: damage.reason }),
  };
}

/** The bytes of a record that is to be written, as they were delivered if they were. */
export function exactBytesOf({ key, headers = {} }: OutgoingRecord): {
  readonly key: Buffer | null;
  readonly headers: readonly Header[];
} {
  const { [exactHeaders.key]: exactKey, [exactHeaders.headers]: exact, ...others } = headers;
  const plain = Object.entries(others).map(
    ([name, value]): Header => [Buffer.from(name), Buffer.from(value)],
  );
  return {
    key: exactKey === undefined ? (key === null ? null : Buffer.from(key)) : bytesOf(JSON.parse(exactKey)),
    headers: exact === undefined ? plain : [...plain, ...fromText(exact)],
  };
}

/** What text and Postgres hold without a change. */
function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) && !bytes.includes(0) ? bytes.toString() : undefined;
}

const noHeaders: LogRecord['headers'] = {};
const reserved: ReadonlySet<string> = new Set([...Object.values(exactHeaders), '__proto__']);

/** Headers by name; those that a name cannot find, or that are not text, are kept in one, in their order. */
function toText(headers: readonly Header[]): LogRecord['headers'] {
  if (headers.length === 0) return noHeaders;
  const counts = new Map<string, number>();
  const names = headers.map(([name]) => textOf(name) ?? '__proto__');
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const plain: [string, string][] = [];
  const exact: [string, string | null][] = [];
  headers.forEach(([name, value], n) => {
    const text = value && textOf(value);
    const known = names[n] as string;
    if (typeof text === 'string' && counts.get(known) === 1 && !reserved.has(known))
      plain.push([known, text]);
    else exact.push([readable(name), value && readable(value)]);
  });
  if (exact.length > 0) plain.push([exactHeaders.headers, JSON.stringify(exact)]);
  return Object.fromEntries(plain);
}

function fromText(exact: string): readonly Header[] {
  return (JSON.parse(exact) as [string, string | null][]).map(([name, value]) => [
    bytesOf(name),
    value === null ? null : bytesOf(value),
  ]);
}
