import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../domain/error.ts';
import type { Finding } from '../../ports/finding.ts';
import { problemOfDirectory } from './data-directory.ts';

const fix =
  'Let this user read and write in DATA_DIR, or set another; with AUTH_SECRET and DATABASE_URL set, none is needed.';

const fileIn = (dataDir: string) => join(dataDir, 'auth-secret');

/** The secret of a data directory, created the first time. Other accounts can neither read nor replace it. */
export function readOrCreateSecret(dataDir: string): string {
  return usable(dataDir, () => find(dataDir) ?? create(dataDir));
}

/** The secret of a data directory; undefined if it has none. */
export function findSecret(dataDir: string): string | undefined {
  return usable(dataDir, () => find(dataDir));
}

/** Whether `readOrCreateSecret` would work, without creating anything. */
export function examineSecret(dataDir: string): Finding {
  const file = fileIn(dataDir);
  try {
    if (read(file) !== undefined) {
      if (!isOpenToOthers(file)) return { state: 'ok', found: 'there, and whole' };
      const fix = `chmod 600 ${file}, as the next start does. If another account may have read it, delete it: tokens signed with it end.`;
      return { state: 'warning', found: 'other accounts may read it', fix };
    }
    const problem = problemOfDirectory(dataDir);
    if (problem === undefined) return { state: 'ok', found: 'not there; `unseen start` makes it' };
    return { state: 'failed', found: `cannot be made: ${problem}`, fix };
  } catch (error) {
    return error instanceof AppError
      ? { state: 'failed', found: 'damaged', fix: 'Delete it and restart; tokens signed with it end.' }
      : { state: 'failed', found: `cannot be read: ${(error as Error).message}`, fix };
  }
}

/** What `work` returns; what it throws becomes START_REFUSED. */
function usable<T>(dataDir: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const message = `The secret ${fileIn(dataDir)} cannot be used: ${(cause as Error).message}. ${fix}`;
    throw new AppError('START_REFUSED', message, { cause });
  }
}

function find(dataDir: string): string | undefined {
  const secret = read(fileIn(dataDir));
  if (secret !== undefined) shut(dataDir);
  return secret;
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

const isOpenToOthers = (file: string) => (statSync(file).mode & 0o077) !== 0;

/**
 * Takes from other accounts what a copy, a restore or a volume gave them: any right to the file, and writing to the directory.
 * They may pass through the directory, since the embedded PostgreSQL of root runs as another account.
 */
function shut(dataDir: string): void {
  const file = fileIn(dataDir);
  if (isOpenToOthers(file)) chmodSync(file, 0o600);
  const { mode, uid } = statSync(dataDir);
  // The root of a volume can belong to its administrator, with a group of its own for us.
  if ((mode & 0o022) !== 0 && uid === process.getuid?.()) chmodSync(dataDir, mode & 0o7755);
}

function create(dataDir: string): string {
  const file = fileIn(dataDir);
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
  return find(dataDir) as string;
}
