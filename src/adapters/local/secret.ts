import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../domain/error.ts';
import type { Finding } from '../../ports/finding.ts';
import { problemOfDirectory } from './data-directory.ts';

const fix =
  'Let this user read and write in DATA_DIR, or set another DATA_DIR. With AUTH_SECRET and DATABASE_URL set, none is needed.';

const fileIn = (dataDir: string) => join(dataDir, 'auth-secret');

/**
 * Returns the secret of a data directory. The first call creates the secret. Other accounts can neither read
 * nor replace the secret.
 */
export function readOrCreateSecret(dataDir: string): string {
  return usable(dataDir, () => find(dataDir) ?? create(dataDir));
}

/** Returns the secret of a data directory. Undefined if there is no secret. */
export function findSecret(dataDir: string): string | undefined {
  return usable(dataDir, () => find(dataDir));
}

/** Examines whether `readOrCreateSecret` would succeed. Creates nothing. */
export function examineSecret(dataDir: string): Finding {
  const file = fileIn(dataDir);
  try {
    if (read(file) !== undefined) {
      if (!isOpenToOthers(file)) return { state: 'ok', found: 'exists and is usable' };
      const fix = `Run chmod 600 ${file}, as the next start does. If another account may have read it, delete it. Tokens signed with it become invalid.`;
      return { state: 'warning', found: 'other accounts may read it', fix };
    }
    const problem = problemOfDirectory(dataDir);
    if (problem === undefined) return { state: 'ok', found: 'does not exist; `unseen start` creates it' };
    return { state: 'failed', found: `cannot be created: ${problem}`, fix };
  } catch (error) {
    return error instanceof AppError
      ? {
          state: 'failed',
          found: 'damaged',
          fix: 'Delete it and restart. Tokens signed with it become invalid.',
        }
      : { state: 'failed', found: `cannot be read: ${(error as Error).message}`, fix };
  }
}

/** Returns the result of `work`. Turns any error of `work` into START_REFUSED. */
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
    `The secret ${file} is damaged. Delete it and restart. Tokens signed with it become invalid.`,
  );
}

const isOpenToOthers = (file: string) => (statSync(file).mode & 0o077) !== 0;

/**
 * Removes rights of other accounts that a copy, a restore or a volume may have added: any right to the file,
 * and the right to write to the directory. Other accounts may still pass through the directory, because
 * PostgreSQL uses another account if this process runs as root.
 */
function shut(dataDir: string): void {
  const file = fileIn(dataDir);
  if (isOpenToOthers(file)) chmodSync(file, 0o600);
  const { mode, uid } = statSync(dataDir);
  // The root directory of a volume may belong to the administrator and give our group the right to write.
  // Then the mode cannot be changed.
  if ((mode & 0o022) !== 0 && uid === process.getuid?.()) chmodSync(dataDir, mode & 0o7755);
}

function create(dataDir: string): string {
  const file = fileIn(dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  // The secret is first written to a draft file and then linked to its final name. If two processes start at
  // the same time, both read the file that was linked first.
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
