import { createRequire } from 'node:module';
import { crc32 } from 'node:zlib';

const crc32c = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C') as (
  bytes: Buffer,
) => number;

type Bytes = Buffer | string | null;

/** A record of a batch. Missing fields are null or empty. */
export interface WireRecord {
  readonly key?: Bytes;
  readonly value?: Bytes;
  readonly headers?: readonly (readonly [Bytes, Bytes])[];
  readonly timestampDelta?: number;
  readonly delta?: number;
}

export interface WireBatch {
  readonly records: readonly WireRecord[];
  readonly firstOffset?: number;
  readonly lastDelta?: number;
  readonly timestamp?: bigint;
  readonly attributes?: number;
  readonly producerId?: bigint;
  readonly compress?: (records: Buffer) => Buffer | Uint8Array;
  /** Replaces the number of records in the header. */
  readonly count?: number;
}

const int = (bytes: 1 | 2 | 4, value: number) => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeIntBE(value, 0, bytes);
  return buffer;
};
const int64 = (value: bigint) => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(value);
  return buffer;
};
const uint32 = (value: number) => int(4, value | 0);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value >= 0 ? value * 2 : value * -2 - 1;
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
}

const bytesOf = (bytes: Bytes) => (typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
const prefixed = (given: Bytes) => {
  const bytes = bytesOf(given);
  return bytes === null ? varint(-1) : Buffer.concat([varint(bytes.length), bytes]);
};

function wireRecord({ key = null, value = null, headers = [], ...place }: WireRecord, n: number): Buffer {
  const body = Buffer.concat([
    int(1, 0),
    varint(place.timestampDelta ?? 0),
    varint(place.delta ?? n),
    prefixed(key),
    prefixed(value),
    varint(headers.length),
    ...headers.flatMap(([name, content]) => [prefixed(name), prefixed(content)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

/** Returns a batch of format 2, as producers send it and brokers keep it. */
export function recordBatch({
  records,
  firstOffset = 0,
  lastDelta = records.length - 1,
  timestamp = BigInt(Date.now()),
  attributes = 0,
  producerId = -1n,
  compress = (plain) => plain,
  count = records.length,
}: WireBatch): Buffer {
  const covered = Buffer.concat([
    int(2, attributes),
    int(4, lastDelta),
    int64(timestamp),
    int64(timestamp),
    int64(producerId),
    int(2, -1),
    int(4, -1),
    int(4, count),
    compress(Buffer.concat(records.map(wireRecord))),
  ]);
  return Buffer.concat([
    int64(BigInt(firstOffset)),
    int(4, covered.length + 9),
    int(4, 0),
    int(1, 2),
    uint32(crc32c(covered)),
    covered,
  ]);
}

/** Returns a message of format 0 or 1, from before Kafka 0.11. */
export function message({
  offset,
  magic,
  key = null,
  value = null,
  attributes = 0,
  timestamp = 0n,
}: {
  readonly offset: number;
  readonly magic: 0 | 1;
  readonly key?: Bytes;
  readonly value?: Bytes;
  readonly attributes?: number;
  readonly timestamp?: bigint;
}): Buffer {
  const sized = (given: Bytes) => {
    const bytes = bytesOf(given);
    return bytes === null ? int(4, -1) : Buffer.concat([int(4, bytes.length), bytes]);
  };
  const covered = Buffer.concat([
    int(1, magic),
    int(1, attributes),
    ...(magic === 1 ? [int64(timestamp)] : []),
    sized(key),
    sized(value),
  ]);
  return Buffer.concat([int64(BigInt(offset)), int(4, covered.length + 4), uint32(crc32(covered)), covered]);
}
