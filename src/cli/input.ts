import { open } from 'node:fs/promises';
import { AppError } from '../domain/error.ts';

/** The bytes of a file that is there, or of standard input. */
export async function bytesOf(source: string): Promise<AsyncIterable<Uint8Array>> {
  if (source === '-') return process.stdin;
  const unreadable = (cause: Error) =>
    new AppError('START_REFUSED', `${source} cannot be read: ${cause.message}`, { cause });
  const file = await open(source).catch((error) => {
    throw unreadable(error);
  });
  return (async function* () {
    try {
      yield* file.createReadStream();
    } catch (error) {
      throw unreadable(error as Error);
    }
  })();
}
