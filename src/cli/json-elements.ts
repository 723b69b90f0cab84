import { AppError } from '../domain/error.ts';

/** The maximum length of an element, in bytes. */
export const maxElementBytes = 65_536;

const [tab, newline, carriageReturn, space] = [9, 10, 13, 32];
const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The byte order mark of UTF-8. No JSON value begins with these bytes. */
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** The first byte of gzip data. No text begins with this byte. */
const gzipMagic = 0x1f;

/** Maps the first byte of data that is not an array to a hint how to convert the data to an array. */
const hints: ReadonlyMap<number, string> = new Map([
  [openBrace, ': turn a file with one event per line into an array with `jq -s .`'],
  [gzipMagic, ': it is compressed, so unpack it with `zcat`'],
]);

const isSpace = (byte: number) =>
  byte === space || byte === newline || byte === carriageReturn || byte === tab;

/**
 * Yields the text of each element of a JSON array. The array may have any size. An element that is too long
 * is cut, but its text is still longer than `maxElementBytes`. Rejects with START_REFUSED at the first byte
 * where the data is not a JSON array, or if the data ends early. `source` is the name of the data in the
 * error text.
 */
export async function* elementsOf(
  bytes: AsyncIterable<Uint8Array>,
  source = 'The file',
): AsyncIterable<Buffer> {
  let state: 'before' | 'within' | 'behind' = 'before';
  let count = 0;
  const endOfElement = createElementScan();
  const kept = createKept();
  const unreadable = (problem: string) => unreadableError(source, problem, count);

  for await (const chunk of bytes) {
    let start = 0;
    if (state === 'before') {
      const first = chunk.findIndex((byte) => !isSpace(byte) && !byteOrderMark.includes(byte));
      if (first === -1) continue;
      const byte = chunk[first] as number;
      if (byte !== openBracket) throw unreadable(`it is not a JSON array${hints.get(byte) ?? ''}`);
      state = 'within';
      start = first + 1;
    }
    while (state === 'within') {
      const end = endOfElement(chunk, start);
      kept.add(chunk.subarray(start, end));
      if (end === chunk.length) break;
      start = end + 1;
      const element = kept.take();
      if (element) {
        count += 1;
        yield element;
      } else if (chunk[end] === comma || count > 0) throw unreadable('an event is missing beside a comma');
      if (chunk[end] === closeBracket) state = 'behind';
    }
    if (state === 'behind' && !chunk.subarray(start).every(isSpace))
      throw unreadable('something follows the array');
  }
  if (state === 'before') throw unreadable('it is empty');
  if (state === 'within') throw unreadable('the array is cut off');
}

/**
 * Returns a function that finds the next byte that ends an element: a comma or the closing bracket of the
 * array. If the element continues in the next chunk, the function returns the length of the chunk. The
 * function remembers open strings and brackets from one call to the next.
 */
function createElementScan(): (chunk: Uint8Array, start: number) => number {
  let depth = 0;
  let inString = false;
  let isEscaped = false;
  return (chunk, start) => {
    for (let position = start; position < chunk.length; position += 1) {
      const byte = chunk[position];
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (byte === backslash) isEscaped = true;
        else if (byte === quote) inString = false;
      } else if (byte === quote) inString = true;
      else if (byte === openBrace || byte === openBracket) depth += 1;
      else if (depth === 0 && (byte === comma || byte === closeBracket)) return position;
      else if (depth > 0 && (byte === closeBrace || byte === closeBracket)) depth -= 1;
    }
    return chunk.length;
  };
}

/** Collects the text of one element from the chunks. */
function createKept() {
  let pieces: Buffer[] = [];
  let size = 0;
  return {
    add(piece: Uint8Array): void {
      if (size > maxElementBytes || piece.length === 0) return;
      // Copies the piece. Otherwise a few bytes would keep their whole chunk in memory.
      pieces.push(Buffer.from(piece.subarray(0, maxElementBytes + 1)));
      size += piece.length;
    },
    /**
     * Returns the collected text, and begins a new text. Returns undefined if the text is only white space.
     */
    take(): Buffer | undefined {
      const text = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
      pieces = [];
      size = 0;
      return text.every(isSpace) ? undefined : text;
    },
  };
}

/** Creates the error for data that can be read only up to the element with the number `count`. */
function unreadableError(source: string, problem: string, count: number): AppError {
  const events = count === 1 ? 'The 1 event before that was' : `The ${count} events before that were`;
  const soFar = count === 0 ? '' : ` ${events} read. Importing the file again is harmless.`;
  return new AppError('START_REFUSED', `${source} cannot be read any further: ${problem}.${soFar}`);
}
