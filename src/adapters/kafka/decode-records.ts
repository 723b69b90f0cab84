import { createRequire } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { decompress } from './decompress.ts';

const crc32c = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C') as (
  bytes: Buffer,
) => number;

/**
 * A record that Kafka delivered, in the shape of a message of kafkajs. The key, the value and the headers may
 * be any bytes.
 */
export interface Delivered {
  readonly offset: string;
  /**
   * The time in ms. The producer or the broker sets it, and it may be any number. NaN means that there is no
   * time.
   */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly Header[];
  /** kafkajs needs this context to skip the records of aborted transactions. */
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
  /**
   * Whether the record has nothing to apply. Such a record is either the mark at the end of a transaction, or
   * the end of a batch whose last records were compacted away.
   */
  readonly isMark?: boolean;
  /**
   * Only set if a batch cannot be read. Then this record represents the whole batch, `offset` is the last
   * offset of the batch, and `value` is the stored bytes of the batch.
   */
  readonly damage?: { readonly firstOffset: string; readonly reason: string };
}

export type Header = readonly [name: Buffer, value: Buffer | null];

/**
 * The maximum size of one decompressed batch, in bytes. Producers limit a batch to about 1 MB before they
 * compress it.
 */
export const maxBatchBytes = 32 * 1024 * 1024;

/**
 * The maximum number of records in one batch. A record takes at least 7 bytes in a batch, and about 200 bytes
 * as an object.
 */
const maxBatchRecords = 500_000;

/**
 * The number of bytes of one partition after which decoding stops, to bound the memory. The next fetch
 * delivers the rest.
 */
const maxFetchBytes = 8 * 1024 * 1024;

/** The number of bytes after which decoding yields to other work of the process. */
const turnBytes = 1024 * 1024;

/**
 * The maximum size, in bytes, of an unreadable batch whose bytes are stored. Brokers accept batches up to
 * this size by default (max.message.bytes).
 */
export const maxKeptBytes = 1_048_588;

/** A batch, or a message of an older format, as stored in the log. */
interface Entry {
  readonly bytes: Buffer;
  readonly offset: number;
  /** The offset of the next entry. Undefined if there is no next entry. */
  readonly next: number | undefined;
}

/**
 * Decodes the content of a fetch for one partition. Never rejects. An unreadable batch becomes one record
 * with `damage`, so it does not block the records after it. The last record of each batch has the batch's
 * last offset. So a consumer that has passed this record has passed the batch.
 */
export async function decodeRecords(bytes: Buffer): Promise<Delivered[]> {
  const delivered: Delivered[] = [];
  let decoded = 0;
  let untilTurn = turnBytes;
  for (const entry of entriesOf(bytes)) {
    const { records, size } = await decodeEntry(entry);
    // This does not spread the array into `push`, because a batch may have more records than a call accepts
    // arguments.
    for (const record of records) delivered.push(record);
    decoded += size;
    if (decoded > maxFetchBytes) break;
    untilTurn -= size;
    if (untilTurn <= 0) {
      untilTurn = turnBytes;
      await nextTurn();
    }
  }
  return delivered;
}

/** The size of offset, length and version together. The version is at the same place in all formats. */
const entryHeadBytes = 17;
const magicAt = 16;

/** Yields the complete entries in order. If the fetch is full, a broker may cut off the last entry. */
function* entriesOf(bytes: Buffer): Generator<Entry> {
  for (let at = 0; at + entryHeadBytes <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.length) return;
    // If the length is too small for an entry, the entries after it cannot be found.
    const isWhole = end >= at + entryHeadBytes;
    const offset = offsetAt(bytes, at);
    const hasNext = isWhole && end + 8 <= bytes.length;
    const next = hasNext ? offsetAt(bytes, end) : undefined;
    yield { bytes: bytes.subarray(at, isWhole ? end : undefined), offset, next };
    at = isWhole ? end : bytes.length;
  }
}

const offsetAt = (bytes: Buffer, at: number) => Number(bytes.readBigInt64BE(at));

interface Decoded {
  readonly records: readonly Delivered[];
  /** The number of decompressed bytes. */
  readonly size: number;
}

async function decodeEntry(entry: Entry): Promise<Decoded> {
  const magic = entry.bytes.readInt8(magicAt);
  try {
    if (magic === 2) return await decodeBatch(entry);
    if (magic === 0 || magic === 1) return await decodeMessage(entry);
    throw new Error(`its format ${magic} is unknown`);
  } catch (error) {
    return { records: [damaged(entry, magic, error)], size: entry.bytes.length };
  }
}

const batchHeadBytes = 61;

/** https://kafka.apache.org/documentation/#recordbatch */
async function decodeBatch({ bytes, offset: base }: Entry): Promise<Decoded> {
  if (bytes.length < batchHeadBytes) throw new Error('it is cut off');
  const attributes = bytes.readInt16BE(21);
  if (crc32c(bytes.subarray(21)) !== bytes.readUInt32BE(17)) throw new Error('its checksum is wrong');
  const lastDelta = bytes.readInt32BE(23);
  if (lastDelta < 0) throw new Error('its offsets are not in order');
  const baseTimestamp = offsetAt(bytes, 27);
  const maxTimestamp = offsetAt(bytes, 35);
  const batchContext = {
    producerId: String(bytes.readBigInt64BE(43)),
    inTransaction: (attributes & 0x10) !== 0,
  };
  const isAppendTime = (attributes & 8) !== 0;
  const isMark = (attributes & 0x20) !== 0;
  const count = bytes.readInt32BE(57);
  if (count > maxBatchRecords)
    throw new Error(`it has ${count} records, but at most ${maxBatchRecords} are read`);
  const data = await decompress(attributes & 7, bytes.subarray(batchHeadBytes), maxBatchBytes);
  const reader = createReader(data);
  const records: Delivered[] = [];
  let last = -1;
  for (let n = 0; n < count; n += 1) {
    const end = reader.varint() + reader.at();
    // This skips the attributes of a record, which Kafka does not use yet.
    reader.skip(1);
    const timestampDelta = reader.varint();
    const delta = reader.varint();
    if (delta <= last || delta > lastDelta) throw new Error('its offsets are not in order');
    last = delta;
    const offset = String(base + delta);
    const timestamp = isAppendTime ? maxTimestamp : baseTimestamp + timestampDelta;
    const key = reader.bytes(reader.varint());
    const value = reader.bytes(reader.varint());
    const headers = readHeaders(reader);
    if (reader.at() !== end) throw new Error('a record has a wrong length');
    records.push({ offset, timestamp, key, value, headers, batchContext, isMark });
  }
  if (last < lastDelta) records.push(markAt(base + lastDelta, batchContext));
  return { records, size: data.length };
}

const noHeaders: readonly Header[] = [];

function readHeaders(reader: Reader): readonly Header[] {
  const count = reader.varint();
  if (count === 0) return noHeaders;
  const headers: Header[] = [];
  for (let n = 0; n < count; n += 1) {
    const name = reader.bytes(reader.varint());
    if (name === null) throw new Error('a header has no name');
    headers.push([name, reader.bytes(reader.varint())]);
  }
  return headers;
}

const noTransaction = { producerId: '-1', inTransaction: false };
const nothing = { timestamp: Number.NaN, key: null, value: null, headers: noHeaders };

const markAt = (offset: number, batchContext: Delivered['batchContext']): Delivered => ({
  ...nothing,
  offset: String(offset),
  batchContext,
  isMark: true,
});

/**
 * Decodes a message of format 0 or 1, which producers before Kafka 0.11 wrote. A compressed message contains
 * other messages. https://kafka.apache.org/documentation/#messageset
 */
async function decodeMessage({ bytes, offset }: Entry): Promise<Decoded> {
  if (crc32(bytes.subarray(magicAt)) !== bytes.readUInt32BE(12)) throw new Error('its checksum is wrong');
  const hasTimestamp = bytes.readInt8(magicAt) === 1;
  const attributes = bytes.readInt8(17);
  const timestamp = hasTimestamp ? offsetAt(bytes, 18) : Number.NaN;
  const reader = createReader(bytes, hasTimestamp ? 26 : 18);
  const key = reader.bytes(reader.int32());
  const value = reader.bytes(reader.int32());
  const codec = attributes & 7;
  if (codec === 0) {
    const record = { offset: String(offset), timestamp, key, value, headers: noHeaders };
    return { records: [{ ...record, batchContext: noTransaction }], size: bytes.length };
  }
  const data = await decompress(codec, value ?? Buffer.alloc(0), maxBatchBytes);
  const records: Delivered[] = [];
  for (const entry of entriesOf(data)) {
    if (isCompressed(entry.bytes)) throw new Error('it holds a compressed message within another');
    records.push(...(await decodeMessage(entry)).records);
  }
  const isAppendTime = (attributes & 8) !== 0;
  return {
    records: placed(records, { offset, isRelative: hasTimestamp, ...(isAppendTime && { timestamp }) }),
    size: data.length,
  };
}

const isCompressed = (message: Buffer) => (message.readInt8(17) & 7) !== 0;

/**
 * Sets the offsets of the messages within a compressed message. In format 1 the inner offsets count from 0,
 * and the outer offset is the offset of the last inner message.
 */
function placed(
  records: readonly Delivered[],
  {
    offset,
    isRelative,
    ...appended
  }: { readonly offset: number; readonly isRelative: boolean; readonly timestamp?: number },
): readonly Delivered[] {
  if (records.length === 0) throw new Error('it holds no message');
  const last = Number(records.at(-1)?.offset);
  if (!isRelative && last !== offset) throw new Error('its offsets are not in order');
  const base = isRelative ? offset - last : 0;
  return records.map((record) => ({
    ...record,
    ...appended,
    offset: String(base + Number(record.offset)),
  }));
}

function damaged(entry: Entry, magic: number, error: unknown): Delivered {
  const { bytes, offset } = entry;
  const last = magic === 0 || magic === 1 ? offset : lastOffsetOf(entry);
  const where = last === offset ? `offset ${offset}` : `offsets ${offset} to ${last}`;
  const isKept = bytes.length <= maxKeptBytes;
  const rest = isKept ? '' : ` Its ${bytes.length} bytes are not kept, because the limit is ${maxKeptBytes}.`;
  const why = error instanceof Error ? error.message : String(error);
  return {
    ...nothing,
    value: isKept ? bytes : null,
    offset: String(last),
    batchContext: noTransaction,
    damage: {
      firstOffset: String(offset),
      reason: `the batch at ${where} cannot be read: ${why}.${rest}`,
    },
  };
}

/**
 * The last offset of an unreadable batch. The header of the batch may be damaged too, so the header's last
 * offset is used only if it agrees with the number of records. It is never beyond the start of the next
 * batch. If it does not agree, the batch ends before the next batch. If there is no next batch either, only
 * the first offset is skipped, and the consumer continues from the offset after it.
 */
function lastOffsetOf({ bytes, offset, next }: Entry): number {
  if (bytes.length < batchHeadBytes) return offset;
  const delta = bytes.readInt32BE(23);
  const agrees = delta >= 0 && delta === bytes.readInt32BE(57) - 1;
  if (next !== undefined) return Math.max(offset, agrees ? Math.min(offset + delta, next - 1) : next - 1);
  return agrees ? offset + delta : offset;
}

type Reader = ReturnType<typeof createReader>;

/** Creates a reader that begins at `start`. The reader throws if the bytes end too early. */
function createReader(data: Buffer, start = 0) {
  let at = start;

  function skip(length: number): void {
    if (length < 0 || at + length > data.length) throw new Error('its records are cut off');
    at += length;
  }

  return {
    at: () => at,
    skip,
    int32(): number {
      skip(4);
      return data.readInt32BE(at - 4);
    },
    /** Reads a zigzag-encoded number of up to 64 bits. A value beyond 2^53 is not exact. */
    varint(): number {
      let result = 0;
      let scale = 1;
      let byte: number;
      do {
        if (at >= data.length || scale > 2 ** 63) throw new Error('its records are cut off');
        byte = data[at] as number;
        at += 1;
        result += (byte & 127) * scale;
        scale *= 128;
      } while (byte > 127);
      return result % 2 === 0 ? result / 2 : -(result + 1) / 2;
    },
    /** Reads bytes. A length of -1 means null. */
    bytes(length: number): Buffer | null {
      if (length === -1) return null;
      skip(length);
      return data.subarray(at - length, at);
    },
  };
}
