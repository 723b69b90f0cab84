import { AppError } from '../domain/error.ts';

/** An element that is longer is not kept to its end. */
export const maxElementBytes = 65_536;

const [tab, newline, carriageReturn, space] = [9, 10, 13, 32];
const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Of UTF-8; they can begin nothing else in JSON. */
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** Begins what gzip made, and no text. */
const gzipMagic = 0x1f;

/** What makes an array of something else, by what that begins with. */
const hints: ReadonlyMap<number, string> = new Map([
  [openBrace, ': make one of events a line with `jq -s .`'],
  [gzipMagic, ': it is compressed, so pipe it through `zcat`'],
]);

const isSpace = (byte: number) =>
  byte === space || byte === newline || byte === carriageReturn || byte === tab;

/**
 * The elements of a JSON array as they are written, one after the other, however long the array: of an element that is too
 * long as much as shows it. Rejects with START_REFUSED where what comes, from `source`, is no array, or not all of one.
 */
export async function* elementsOf(
  bytes: AsyncIterable<Uint8Array>,
  source = 'The file',
): AsyncIterable<Buffer> {
  let state: 'before' | 'within' | 'behind' = 'before';
  let depth = 0;
  let inString = false;
  let isEscaped = false;
  let count = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;

  function keep(piece: Uint8Array): void {
    if (restBytes > maxElementBytes || piece.length === 0) return;
    // A copy: the chunk is not to be held for the sake of its last bytes.
    rest.push(Buffer.from(piece.subarray(0, maxElementBytes + 1)));
    restBytes += piece.length;
  }

  /** What was kept since the last comma; undefined when nothing but space was. */
  function element(): Buffer | undefined {
    const text = rest.length === 1 ? (rest[0] as Buffer) : Buffer.concat(rest);
    rest = [];
    restBytes = 0;
    return text.every(isSpace) ? undefined : text;
  }

  function unreadable(what: string): AppError {
    const before = count === 1 ? '1 event before that was' : `${count} events before that were`;
    const soFar = count === 0 ? '' : ` The ${before} read; to import again is harmless.`;
    return new AppError('START_REFUSED', `${source} cannot be read any further: ${what}.${soFar}`);
  }

  for await (const chunk of bytes) {
    let start = 0;
    for (let position = 0; position < chunk.length; position += 1) {
      const byte = chunk[position] as number;
      if (state === 'within') {
        if (inString) {
          if (isEscaped) isEscaped = false;
          else if (byte === backslash) isEscaped = true;
          else if (byte === quote) inString = false;
        } else if (byte === quote) inString = true;
        else if (byte === openBrace || byte === openBracket) depth += 1;
        else if (depth > 0) {
          if (byte === closeBrace || byte === closeBracket) depth -= 1;
        } else if (byte === comma || byte === closeBracket) {
          keep(chunk.subarray(start, position));
          start = position + 1;
          const one = element();
          if (one) {
            count += 1;
            yield one;
          } else if (byte === comma || count > 0) throw unreadable('an event is missing beside a comma');
          if (byte === closeBracket) state = 'behind';
        }
      } else if (!isSpace(byte) && !(state === 'before' && byteOrderMark.includes(byte))) {
        if (state === 'behind') throw unreadable('something follows the array');
        if (byte !== openBracket) throw unreadable(`it is not a JSON array${hints.get(byte) ?? ''}`);
        state = 'within';
        start = position + 1;
      }
    }
    if (state === 'within') keep(chunk.subarray(start));
  }
  if (state === 'before') throw unreadable('it is empty');
  if (state === 'within') throw unreadable('the array is cut off');
}
