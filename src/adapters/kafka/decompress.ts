import { promisify } from 'node:util';
import { unzip } from 'node:zlib';
import { decompress as unzstd } from 'fzstd';
import lz4 from 'lz4js';
import snappy from 'snappyjs';

/**
 * Decompresses bytes. Throws or rejects if the bytes are damaged or would decompress to more than `maxBytes`.
 */
type Decompress = (bytes: Buffer, maxBytes: number) => Uint8Array | Promise<Uint8Array>;

const gunzip = promisify(unzip);

/** Maps the number of a codec in Kafka's protocol to the codec. */
const codecs: Readonly<Record<number, { readonly name: string; readonly decompress: Decompress }>> = {
  1: { name: 'gzip', decompress: (bytes, maxBytes) => gunzip(bytes, { maxOutputLength: maxBytes }) },
  2: { name: 'snappy', decompress: decompressSnappy },
  3: { name: 'lz4', decompress: decompressLz4 },
  4: { name: 'zstd', decompress: decompressZstd },
};

/**
 * Decompresses bytes that were compressed with Kafka's codec 0 to 4. Rejects with an Error whose message
 * states the problem.
 */
export async function decompress(codec: number, bytes: Buffer, maxBytes: number): Promise<Buffer> {
  if (codec === 0) return bytes;
  const { name, decompress } = codecs[codec] ?? {};
  if (!decompress) throw new Error(`its compression type ${codec} is unknown`);
  try {
    const { buffer, byteOffset, byteLength } = await decompress(bytes, maxBytes);
    return Buffer.from(buffer, byteOffset, byteLength);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`its ${name} data cannot be decompressed: ${reason}`, { cause });
  }
}

function checkSize(bytes: number, maxBytes: number): void {
  if (!(bytes >= 0 && bytes <= maxBytes)) throw new Error(`more than ${maxBytes} bytes`);
}

/**
 * The first bytes of a frame of Java producers. Two version numbers follow, and then blocks. The length of
 * each block precedes the block. Other producers write one block without a frame.
 */
const snappyFrame = Buffer.from('\x82SNAPPY\0', 'latin1');
const snappyHeaderBytes = 16;

function decompressSnappy(bytes: Buffer, maxBytes: number): Uint8Array {
  if (!bytes.subarray(0, snappyFrame.length).equals(snappyFrame)) return snappy.uncompress(bytes, maxBytes);
  const blocks: Uint8Array[] = [];
  let left = maxBytes;
  for (let at = snappyHeaderBytes; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new Error('a block is cut off');
    const block = snappy.uncompress(bytes.subarray(at + 4, end), left);
    left -= block.length;
    blocks.push(block);
    at = end;
  }
  return Buffer.concat(blocks);
}

const lz4BlockChecksums = 0x10;

function decompressLz4(bytes: Buffer, maxBytes: number): Uint8Array {
  // The library expects block checksums at the wrong place.
  if (((bytes[4] ?? 0) & lz4BlockChecksums) !== 0) throw new Error('block checksums are not supported');
  // The type declaration of the library wrongly says that this function returns nothing.
  const size = Number(lz4.decompressBound(bytes));
  checkSize(size, maxBytes);
  return lz4.decompress(bytes, size);
}

function decompressZstd(bytes: Buffer, maxBytes: number): Uint8Array {
  const frames = Buffer.from(bytes);
  let left = maxBytes;
  for (let at = 0; at < frames.length; ) {
    const { end, maxSize } = zstdFrame(frames, at, left);
    left -= maxSize;
    at = end;
  }
  return unzstd(frames);
}

const zstdMagic = 0xfd2fb528;
const isSkippable = (magic: number) => magic >>> 4 === 0x184d2a5;
/** The maximum size of a zstd block, in bytes. A window is never smaller than this. */
const zstdBlockBytes = 1 << 17;
const rawBlock = 0;
const runBlock = 1;

/**
 * Finds the end of a zstd frame and the maximum size of its content, and reduces the declared window of the
 * frame to that size. Producers that stream declare windows of up to 128 MB for a few bytes. The library
 * would allocate and move such a window for each block.
 * https://github.com/facebook/zstd/blob/dev/doc/zstd_compression_format.md
 */
function zstdFrame(bytes: Buffer, at: number, maxBytes: number): { end: number; maxSize: number } {
  const magic = bytes.readUInt32LE(at);
  if (isSkippable(magic)) return { end: at + 8 + bytes.readUInt32LE(at + 4), maxSize: 0 };
  if (magic !== zstdMagic) throw new Error('not a zstd frame');
  const descriptor = bytes.readUInt8(at + 4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const windowAt = at + 5;
  const sizeAt = windowAt + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] as number);
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? Number(isSingleSegment) : 1 << sizeFlag;
  const declared = zstdContentSize(bytes, sizeAt, sizeBytes);
  let [end, blocks, isLast] = [sizeAt + sizeBytes, 0, false];
  while (!isLast) {
    const header = bytes.readUIntLE(end, 3);
    const [type, size] = [(header >> 1) & 3, header >> 3];
    isLast = (header & 1) !== 0;
    end += 3 + (type === runBlock ? 1 : size);
    blocks += type === rawBlock || type === runBlock ? size : zstdBlockBytes;
    checkSize(blocks, maxBytes);
  }
  const maxSize = declared ?? blocks;
  checkSize(maxSize, maxBytes);
  if (!isSingleSegment) {
    const log = Math.ceil(Math.log2(Math.max(maxSize, zstdBlockBytes)));
    bytes[windowAt] = Math.min(bytes.readUInt8(windowAt), (log - 10) << 3);
  }
  return { end: end + ((descriptor & 4) === 0 ? 0 : 4), maxSize };
}

function zstdContentSize(bytes: Buffer, at: number, length: number): number | undefined {
  if (length === 0) return undefined;
  if (length === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, length) + (length === 2 ? 256 : 0);
}
