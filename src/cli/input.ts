import { open } from 'node:fs/promises';
import { AppError } from '../domain/error.ts';

/** Opens a file, or standard input for `-`. Rejects with START_REFUSED if the file cannot be read. */
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
