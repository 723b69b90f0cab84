import { createRequire } from 'node:module';
import { decodeRecords, type Header } from './decode-records.ts';

/*
 * Replaces two functions of kafkajs, because kafkajs has no release after the version below:
 * - The decoder of a fetch response. If one batch is unreadable, the original throws, so no partition of the fetch is
 *   delivered, at every attempt again. The original supports only gzip and does not bound the decompressed size of a batch.
 *   Its running time grows with the square of the number of headers.
 * - The encoder of a record, only for records with exact headers. The original can write neither a header with a null value
 *   nor a header name that is not UTF-8.
 * Delete this file when kafkajs itself can do both.
 */
const version = '2.2.4';
const protocol = 'kafkajs/src/protocol';

interface Decoder {
  readInt32(): number;
  canReadBytes(length: number): boolean;
  readBytes(length: number): Buffer;
}

interface Encoder {
  writeInt8(value: number): Encoder;
  writeVarInt(value: number): Encoder;
  writeVarLong(value: number): Encoder;
  writeVarIntBytes(value: Buffer | string | null): Encoder;
  writeEncoder(value: Encoder): Encoder;
  size(): number;
}

interface RecordFields {
  readonly offsetDelta?: number;
  readonly timestampDelta?: number;
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: object | readonly Header[];
}

type EncodeRecord = (fields: RecordFields) => Encoder;

const require = createRequire(import.meta.url);

const found = (require('kafkajs/package.json') as { readonly version: string }).version;
if (found !== version) throw new Error(`kafkajs ${found} is installed; patch-kafkajs.ts is for ${version}.`);

const Encoder = require(`${protocol}/encoder`) as new () => Encoder;

/**
 * Replaces the function that a module of kafkajs exports. Must run before another module imports the
 * function.
 */
function replace<F>(path: string, users: readonly string[], make: (original: F) => F): void {
  const loaded = users
    .map((user) => require.resolve(`${protocol}/${user}`))
    .filter((file) => require.cache[file]);
  if (loaded.length > 0) throw new Error(`${loaded[0]} was loaded before patch-kafkajs.ts.`);
  const original = require(`${protocol}/${path}`) as F;
  const module = require.cache[require.resolve(`${protocol}/${path}`)];
  if (module) module.exports = make(original);
}

/** The versions of fetch responses from Kafka 0.11 and later. */
const fetchVersions = [4, 5, 7, 8, 11];

replace<(decoder: Decoder) => Promise<unknown[]>>(
  'requests/fetch/v4/decodeMessages',
  fetchVersions.map((one) => `requests/fetch/v${one}/response`),
  () => async (decoder) => {
    const size = decoder.readInt32();
    return size > 0 && decoder.canReadBytes(size) ? decodeRecords(decoder.readBytes(size)) : [];
  },
);

replace<EncodeRecord>('recordBatch/record/v0', ['requests/produce/v3/request'], (original) => (fields) => {
  const { offsetDelta = 0, timestampDelta = 0, key, value, headers } = fields;
  if (!Array.isArray(headers)) return original(fields);
  const body = new Encoder()
    .writeInt8(0)
    .writeVarLong(timestampDelta)
    .writeVarInt(offsetDelta)
    .writeVarIntBytes(key)
    .writeVarIntBytes(value)
    .writeVarInt(headers.length);
  for (const [name, content] of headers as readonly Header[])
    body.writeVarIntBytes(name).writeVarIntBytes(content);
  return new Encoder().writeVarInt(body.size()).writeEncoder(body);
});
