import { AppError } from '../domain/error.ts';

/** The longest element that is kept whole, in bytes. */
export const maxElementBytes = 65_536;

const [tab, newline, carriageReturn, space] = [9, 10, 13, 32];
const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The byte order mark of UTF-8. No JSON value begins with these bytes. */
const byteOrderMark = [0xef, 0xbb, 0xbf];

/** The first byte of gzip data. No text begins with this byte. */
const gzipMagic = 0x1f;

/** How to turn other data into an array, by the first byte of the data. */
const hints: ReadonlyMap<number, string> = new Map([
  [openBrace, ': turn a file with one event per line into an array with `jq -s .`'],
  [gzipMagic, ': it is compressed, so unpack it with `zcat`'],
]);

const isSpace = (byte: number) =>
  byte === space || byte === newline || byte === carriageReturn || byte === tab;

/**
 * Yields the text of each element of a JSON array. The array may be of any size. An element that is too long
 * is cut after `maxElementBytes` + 1 bytes, so that its length shows this. Rejects with START_REFUSED at the
 * place where the data is not a JSON array or ends early. `source` names the data in the error text.
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
    // The piece is copied, so that a few bytes do not keep their whole chunk in memory.
    rest.push(Buffer.from(piece.subarray(0, maxElementBytes + 1)));
    restBytes += piece.length;
  }

  /** The text since the last comma. undefined if the text is only white space. */
  function element(): Buffer | undefined {
    const text = rest.length === 1 ? (rest[0] as Buffer) : Buffer.concat(rest);
    rest = [];
    restBytes = 0;
    return text.every(isSpace) ? undefined : text;
  }

  function unreadable(what: string): AppError {
    const events = count === 1 ? 'The 1 event before that was' : `The ${count} events before that were`;
    const soFar = count === 0 ? '' : ` ${events} read. Importing the file again is harmless.`;
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
