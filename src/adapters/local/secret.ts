import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../domain/error.ts';

/** The secret of a data directory, created the first time; readable by its owner only. */
export function readOrCreateSecret(dataDir: string): string {
  const file = join(dataDir, 'auth-secret');
  try {
    return read(file) ?? create(dataDir, file);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('START_REFUSED', `The secret ${file} cannot be used: ${(cause as Error).message}`, {
      cause,
    });
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
