import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../domain/error.ts';
import type { Finding } from '../../ports/finding.ts';
import { problemOfDirectory } from './data-directory.ts';

const fix =
  'Let this user read and write in DATA_DIR, or set another; with AUTH_SECRET and DATABASE_URL set, none is needed.';

/** The secret of a data directory, created the first time; readable by its owner only. */
export function readOrCreateSecret(dataDir: string): string {
  const file = join(dataDir, 'auth-secret');
  try {
    return read(file) ?? create(dataDir, file);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const message = `The secret ${file} cannot be used: ${(cause as Error).message}. ${fix}`;
    throw new AppError('START_REFUSED', message, { cause });
  }
}

/** Whether `readOrCreateSecret` would work, without creating anything. */
export function examineSecret(dataDir: string): Finding {
  const file = join(dataDir, 'auth-secret');
  try {
    if (read(file) !== undefined) return { state: 'ok', found: 'there, and whole' };
    const problem = problemOfDirectory(dataDir);
    if (problem === undefined) return { state: 'ok', found: 'not there; `unseen start` makes it' };
    return { state: 'failed', found: `cannot be made: ${problem}`, fix };
  } catch (error) {
    return error instanceof AppError
      ? { state: 'failed', found: 'damaged', fix: 'Delete it and restart; tokens signed with it end.' }
      : { state: 'failed', found: `cannot be read: ${(error as Error).message}`, fix };
  }
}

function read(file: string): string | undefined {
  let secret: string;
  try {
    secret = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (secret.length >= 32) return secret;
  throw new AppError(
    'START_REFUSED',
    `The secret ${file} is damaged: delete it and restart; tokens signed with it end.`,
  );
}

function create(dataDir: string, file: string): string {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  // Written whole under another name, then linked: of two processes that start together both read the first one's.
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return read(file) as string;
}
