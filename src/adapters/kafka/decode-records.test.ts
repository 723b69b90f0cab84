import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import lz4 from 'lz4js';
import snappy from 'snappyjs';
import { describe, expect, it } from 'vitest';
import { exactHeaders } from '../../events/record.ts';
import { message, recordBatch, type WireBatch, type WireRecord } from '../../testing/record-batch.ts';
import { decodeRecords, maxBatchBytes, maxKeptBytes } from './decode-records.ts';
import { exactBytesOf, toRecord } from './record.ts';

const join = (...parts: readonly Buffer[]) => Buffer.concat(parts);
const valuesOf = async (bytes: Buffer) =>
  (await decodeRecords(bytes)).map(({ value }) => value?.toString() ?? null);
const offsetsOf = async (bytes: Buffer) => (await decodeRecords(bytes)).map(({ offset }) => Number(offset));
const numbered = (count: number, from = 0): readonly WireRecord[] =>
  Array.from({ length: count }, (_, n) => ({ value: `value ${from + n}` }));
const first = async (record: WireRecord, batch: Partial<WireBatch> = {}) =>
  (await decodeRecords(recordBatch({ records: [record], ...batch })))[0] as Awaited<
    ReturnType<typeof decodeRecords>
  >[number];

/** Compresses bytes into the frame of snappy-java, in blocks of 1000 bytes. */
function xerial(plain: Buffer): Buffer {
  const blocks: Buffer[] = [Buffer.from('\x82SNAPPY\0\0\0\0\x01\0\0\0\x01', 'latin1')];
  for (let at = 0; at < plain.length; at += 1_000) {
    const block = snappy.compress(plain.subarray(at, at + 1_000));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(block.length);
    blocks.push(length, block);
  }
  return join(...blocks);
}

/**
 * Creates a zstd frame of uncompressed blocks, with a window of 128 MB and without a size. The frame is valid
 * and needs no compressor.
 */
function zstdFrame(plain: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3])];
  const sizes = Array.from({ length: Math.ceil(plain.length / 1_000) || 1 }, (_, n) => n * 1_000);
  for (const at of sizes) {
    const block = plain.subarray(at, at + 1_000);
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (at === sizes.at(-1) ? 1 : 0), 0, 3);
    parts.push(header, block);
  }
  return join(...parts);
}

/** Creates a zstd frame with one block that repeats a zero byte. */
const zstdOfZeros = (count: number) => {
  const header = Buffer.alloc(3);
  // The header says that the block repeats one byte.
  header.writeUIntLE((count << 3) | 2 | 1, 0, 3);
  return join(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3]), header, Buffer.from([0]));
};

/** Creates an lz4 frame whose blocks contain up to 4 MB of one repeated byte. */
function lz4OfBlocks(count: number): Buffer {
  const blocks = Array.from({ length: count }, () => Buffer.from([1, 0, 0, 0, 0]));
  return join(Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0]), ...blocks, Buffer.alloc(4));
}

const codecs = {
  gzip: [1, (plain: Buffer) => gzipSync(plain)],
  'snappy as Java frames it': [2, xerial],
  'snappy without a frame': [2, (plain: Buffer) => snappy.compress(plain)],
  lz4: [3, (plain: Buffer) => lz4.compress(plain)],
  zstd: [4, zstdFrame],
  'zstd of two frames': [
    4,
    (plain: Buffer) => join(zstdFrame(plain.subarray(0, 50)), zstdFrame(plain.subarray(50))),
  ],
} as const;

describe('decodeRecords', () => {
  it.each(Object.entries(codecs))('reads %s', async (_, [attributes, compress]) => {
    for (const count of [1, 5_000]) {
      const batch = recordBatch({ records: numbered(count), attributes, compress, firstOffset: 7 });
      const records = await decodeRecords(batch);
      expect(records.map(({ value }) => value?.toString())).toEqual(
        numbered(count).map(({ value }) => value),
      );
      expect(records.map(({ offset }) => Number(offset))).toEqual(
        Array.from({ length: count }, (_, n) => 7 + n),
      );
    }
  });

  it('reads more records than a function accepts as arguments', async () => {
    expect(await decodeRecords(recordBatch({ records: numbered(130_000) }))).toHaveLength(130_000);
  });

  it('reads 100 000 headers of one record', async () => {
    const headers = Array.from({ length: 100_000 }, (_, n) => [`name ${n % 1_000}`, 'x'] as const);
    expect((await first({ headers })).headers).toHaveLength(100_000);
  });

  it('skips the last batch of a fetch if the batch is cut off', async () => {
    const one = recordBatch({ records: numbered(1) });
    const two = recordBatch({ records: numbered(1, 1), firstOffset: 1 });
    for (let end = one.length; end < one.length + two.length; end += 1)
      expect(await valuesOf(join(one, two).subarray(0, end))).toEqual(['value 0']);
    expect(await valuesOf(join(one, two))).toEqual(['value 0', 'value 1']);
    expect(await valuesOf(Buffer.alloc(0))).toEqual([]);
  });

  it('adds a mark at the last offset of a batch if the last records, or all records, of the batch were compacted away', async () => {
    const batches = join(
      recordBatch({ records: [{ value: 'a' }, { value: 'b', delta: 3 }], lastDelta: 9 }),
      recordBatch({ records: [], lastDelta: 4, firstOffset: 10 }),
    );
    const records = await decodeRecords(batches);
    expect(records.map(({ offset, isMark = false }) => [Number(offset), isMark])).toEqual([
      [0, false],
      [3, false],
      [9, true],
      [14, true],
    ]);
  });

  it('reads a control batch as a mark, with the key by which kafkajs recognizes an aborted transaction', async () => {
    const mark = await first({ key: Buffer.alloc(4), value: 'x' }, { attributes: 0x30, producerId: 5n });
    expect(mark).toMatchObject({
      isMark: true,
      key: Buffer.alloc(4),
      batchContext: { producerId: '5', inTransaction: true },
    });
  });

  it('stops after a large batch and leaves the other batches to the next fetch', async () => {
    const compress = (plain: Buffer) => snappy.compress(plain);
    const batch = (firstOffset: number) =>
      recordBatch({ records: [{ value: Buffer.alloc(9_000_000) }], attributes: 2, compress, firstOffset });
    expect(await offsetsOf(join(batch(0), batch(1)))).toEqual([0]);
  });

  describe('given the message formats of Kafka before 0.11', () => {
    it('reads messages with and without a timestamp, and the batches of the new format that follow them', async () => {
      const bytes = join(
        message({ offset: 3, magic: 0, key: 'k', value: 'a' }),
        message({ offset: 4, magic: 1, value: null, timestamp: 1_000n }),
        recordBatch({ records: [{ value: 'c' }], firstOffset: 5, timestamp: 2_000n }),
      );
      expect(await valuesOf(bytes)).toEqual(['a', null, 'c']);
      expect(await offsetsOf(bytes)).toEqual([3, 4, 5]);
      const timestamps = (await decodeRecords(bytes)).map(({ timestamp }) => timestamp);
      expect(timestamps).toEqual([Number.NaN, 1_000, 2_000]);
    });

    it.each([
      ['gzip', 1, gzipSync],
      ['snappy', 2, xerial],
      ['lz4', 3, (plain: Buffer) => Buffer.from(lz4.compress(plain))],
    ] as const)(
      'reads the messages inside a message that is compressed with %s',
      async (_, attributes, compress) => {
        const inner = (from: number, magic: 0 | 1) =>
          join(...[0, 1, 2].map((n) => message({ offset: from + n, magic, value: `inner ${n}` })));
        const bytes = join(
          message({ offset: 12, magic: 0, attributes, value: compress(inner(10, 0)) }),
          message({ offset: 15, magic: 1, attributes, value: compress(inner(0, 1)) }),
        );
        expect(await offsetsOf(bytes)).toEqual([10, 11, 12, 13, 14, 15]);
      },
    );

    it('returns a damaged message as one record, and reads the messages around it', async () => {
      const bad = message({ offset: 1, magic: 1, value: 'b' });
      bad[bad.length - 1] = 0;
      const bytes = join(
        message({ offset: 0, magic: 1, value: 'a' }),
        bad,
        message({ offset: 2, magic: 1, attributes: 1, value: 'not gzip' }),
        message({ offset: 3, magic: 1, attributes: 1, value: gzipSync('') }),
        message({ offset: 4, magic: 1, value: 'e' }),
      );
      const damages = (await decodeRecords(bytes)).map(({ damage }) => damage?.reason);
      expect(damages).toEqual([
        undefined,
        'the batch at offset 1 cannot be read: its checksum is wrong.',
        expect.stringContaining('offset 2 cannot be read: its gzip data cannot be decompressed'),
        'the batch at offset 3 cannot be read: it holds no message.',
        undefined,
      ]);
    });
  });

  describe('given an unreadable batch', () => {
    const before = recordBatch({ records: numbered(2) });
    const behind = recordBatch({ records: numbered(1, 5), firstOffset: 5 });
    const three = { records: numbered(3, 2), firstOffset: 2 };
    const flipped = (batch: Buffer, at: number) => {
      batch[at] = (batch[at] as number) ^ 0x55;
      return batch;
    };
    const bomb = (attributes: number, compress: (plain: Buffer) => Buffer | Uint8Array) =>
      recordBatch({ ...three, attributes, compress });
    const large = Buffer.alloc(maxBatchBytes + 1);
    const cases = {
      'an unknown compression': [bomb(7, (plain) => plain), 'its compression type 7 is unknown'],
      'a wrong checksum': [flipped(recordBatch(three), 70), 'its checksum is wrong'],
      'too many records': [
        recordBatch({ ...three, count: 500_001 }),
        'it has 500001 records, but at most 500000 are read',
      ],
      'an unknown format': [
        ((batch) => {
          batch[16] = 3;
          return batch;
        })(recordBatch(three)),
        'its format 3 is unknown',
      ],
      'damaged snappy': [bomb(2, () => Buffer.from([100, 1, 2, 3])), 'its snappy data cannot'],
      'damaged lz4': [bomb(3, () => Buffer.from('no frame at all')), 'its lz4 data cannot'],
      'lz4 with checksums of blocks': [
        bomb(3, (plain) => withBlockChecksums(lz4.compress(plain))),
        'block checksums are not supported',
      ],
      'damaged zstd': [bomb(4, () => Buffer.from('no frame at all')), 'its zstd data cannot'],
      'too much gzip': [bomb(1, () => gzipSync(large)), 'its gzip data cannot'],
      'too much snappy': [bomb(2, () => snappy.compress(large)), 'its snappy data cannot'],
      'too much lz4': [bomb(3, () => lz4OfBlocks(9)), `more than ${maxBatchBytes} bytes`],
      'too much zstd': [
        bomb(4, () => join(...Array.from({ length: 300 }, () => zstdOfZeros(131_072)))),
        'its zstd data cannot',
      ],
      'fewer records than it says': [recordBatch({ ...three, count: 4 }), 'its records are cut off'],
      'offsets beyond its last': [
        recordBatch({ records: [{ delta: 0 }, { delta: 90 }], firstOffset: 2, lastDelta: 2 }),
        'its offsets are not in order',
      ],
    } as const;

    it.each(Object.entries(cases))(
      'returns the batch as one record and reads the next batch: %s',
      async (_, [batch, why]) => {
        const records = await decodeRecords(join(before, batch, behind));
        expect(records.map(({ offset }) => Number(offset))).toEqual([0, 1, 4, 5]);
        const damaged = records[2];
        expect(damaged?.damage?.firstOffset).toBe('2');
        expect(damaged?.damage?.reason).toContain(why);
        expect(damaged?.value).toEqual(batch.length > maxKeptBytes ? null : batch);
        const record = toRecord('topic', 1, damaged as NonNullable<typeof damaged>);
        expect(record).toMatchObject({
          offset: 2n,
          key: null,
          headers: {},
          unreadable: damaged?.damage?.reason,
        });
      },
    );

    function withBlockChecksums(frame: Uint8Array): Uint8Array {
      frame[4] = (frame[4] as number) | 0x10;
      return frame;
    }

    it('returns the bytes of a batch up to the default limit of brokers, and only the size of a larger batch', async () => {
      const batch = flipped(recordBatch({ records: [{ value: Buffer.alloc(maxKeptBytes) }] }), 80);
      const [record] = await decodeRecords(batch);
      expect(record?.value).toBeNull();
      expect(record?.damage?.reason).toContain(`Its ${batch.length} bytes are not kept`);
    });

    it('never skips the next batch, whatever the damaged header contains', async () => {
      const bytes = recordBatch(three);
      for (let at = 12; at < 61; at += 1) {
        const records = await decodeRecords(join(before, flipped(Buffer.from(bytes), at), behind));
        const offsets = records.map(({ offset }) => Number(offset));
        expect(offsets.slice(-1)).toEqual([5]);
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      }
    });

    it('ignores the last offset in a damaged header if no batch follows', async () => {
      expect(await offsetsOf(flipped(recordBatch(three), 23))).toEqual([2]);
      expect(await offsetsOf(flipped(recordBatch(three), 70))).toEqual([4]);
    });

    it('never rejects, whatever the bytes are', async () => {
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.record({ at: fc.nat(300), by: fc.integer({ min: 1, max: 255 }) }).map(({ at, by }) => {
          const batch = join(recordBatch({ records: numbered(9), attributes: 2, compress: xerial }), behind);
          batch[at % batch.length] = (batch[at % batch.length] as number) ^ by;
          return batch;
        }),
        fc.uint8Array({ maxLength: 300 }).chain((data) =>
          fc.integer({ min: 0, max: 7 }).map((attributes) =>
            // The checksum of this batch is valid.
            recordBatch({ records: [], count: 3, lastDelta: 2, attributes, compress: () => data }),
          ),
        ),
      );
      await fc.assert(
        fc.asyncProperty(bytes, async (given) => {
          for (const record of await decodeRecords(Buffer.from(given))) toRecord('topic', 0, record);
        }),
        { numRuns: 500 },
      );
    });
  });
});

describe('a delivered record', () => {
  const roundTrip = async (record: WireRecord) => {
    const read = toRecord('topic', 0, await first(record));
    // PostgreSQL stores headers as text and as JSON, and accepts no U+0000 in them.
    expect(Object.entries(read.headers).flat().join()).not.toContain('\0');
    const headers = JSON.parse(JSON.stringify(read.headers)) as Record<string, string>;
    return { read, written: exactBytesOf({ ...read, headers }) };
  };

  it('has text headers as text, and other headers with their exact bytes', async () => {
    const invalid = Buffer.from([0xff, 0, 0x41]);
    const { read, written } = await roundTrip({
      key: 'default/alice',
      headers: [
        ['trace', 'x'],
        ['null', null],
        ['twice', 'a'],
        ['', 'no name'],
        ['twice', 'b'],
        ['bytes', invalid],
        [invalid, 'odd name'],
        ['__proto__', 'y'],
        ['base64:', 'base64:QQ=='],
        [exactHeaders.headers, '[["forged",null]]'],
        [exactHeaders.key, '"forged"'],
      ],
    });
    const { [exactHeaders.headers]: exact = '', ...plain } = read.headers;
    expect(plain).toEqual({ trace: 'x', '': 'no name', 'base64:': 'base64:QQ==' });
    expect(JSON.parse(exact).slice(0, 3)).toEqual([
      ['null', null],
      ['twice', 'a'],
      ['twice', 'b'],
    ]);
    expect(written.key).toEqual(Buffer.from('default/alice'));
    const text = ([name, value]: readonly [Buffer, Buffer | null]) => [
      name.toString('latin1'),
      value?.toString('latin1') ?? null,
    ];
    expect(written.headers.map(text)).toEqual([
      ['trace', 'x'],
      ['', 'no name'],
      ['base64:', 'base64:QQ=='],
      ['null', null],
      ['twice', 'a'],
      ['twice', 'b'],
      ['bytes', invalid.toString('latin1')],
      [invalid.toString('latin1'), 'odd name'],
      ['__proto__', 'y'],
      [exactHeaders.headers, '[["forged",null]]'],
      [exactHeaders.key, '"forged"'],
    ]);
  });

  it('has the same key and headers when it is written to Kafka again, even if these have arbitrary bytes', async () => {
    const bytes = fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }).map(Buffer.from)).map(Buffer.from);
    const headers = fc.array(fc.tuple(bytes, fc.option(bytes)));
    const sorted = (list: readonly (readonly [Buffer, Buffer | null])[]) =>
      list.map(([name, value]) => `${name.toString('hex')} ${value?.toString('hex')}`).toSorted();
    await fc.assert(
      fc.asyncProperty(fc.option(bytes), headers, async (key, list) => {
        const { written } = await roundTrip({ key, headers: list });
        expect(written.key).toEqual(key);
        expect(sorted(written.headers)).toEqual(sorted(list));
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['none', -1n],
    ['far beyond the range of dates', 2n ** 62n],
    ['beyond the year 9999', 300_000_000_000_000n],
  ])('has the current time as its append time if its timestamp is %s', async (_, timestamp) => {
    const before = Date.now();
    const { appendedAt } = toRecord('topic', 0, await first({ value: 'x' }, { timestamp }));
    expect(appendedAt.getTime()).toBeGreaterThanOrEqual(before);
    expect(appendedAt.getTime()).toBeLessThanOrEqual(Date.now());
  });

  it('has its timestamp as its append time', async () => {
    for (const timestamp of [0n, 1_354_408_212_984n]) {
      const { appendedAt } = toRecord('topic', 0, await first({ value: 'x' }, { timestamp }));
      expect(appendedAt.getTime()).toBe(Number(timestamp));
    }
  });
});
