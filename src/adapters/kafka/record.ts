import { isUtf8 } from 'node:buffer';
import { bytesOf, readable } from '../../domain/dead-letter.ts';
import { exactHeaders } from '../../events/record.ts';
import type { LogRecord, OutgoingRecord } from '../../ports/event-log.ts';
import type { Delivered, Header } from './decode-records.ts';

/**
 * The maximum timestamp, in ms. Its year still has four digits, so dates of JavaScript and of PostgreSQL can
 * represent it.
 */
const maxTimestamp = Date.UTC(9999, 11, 31);

/**
 * Converts a record that Kafka delivered. The key and the headers of nearly all records are text. Bytes that
 * are not text are stored in additional headers `unseen-exact-…`. If a record has no usable timestamp, its
 * time is now.
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

/**
 * Returns the key and the headers to write. If Kafka delivered the record, they have exactly the delivered
 * bytes.
 */
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

/** Decodes bytes as text. Undefined if a text or PostgreSQL cannot represent the bytes exactly. */
function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) && !bytes.includes(0) ? bytes.toString() : undefined;
}

const noHeaders: LogRecord['headers'] = {};
const reserved: ReadonlySet<string> = new Set([...Object.values(exactHeaders), '__proto__']);

/**
 * Converts headers to an object. Headers with a repeated or reserved name, or with bytes that are not text,
 * are stored together in one header, in their order.
 */
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
