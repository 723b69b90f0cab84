import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory of data and downloads, in the checkout but ignored by git. */
export const defaultDirectory = fileURLToPath(new URL('../../.services', import.meta.url));

/**
 * Creates the directory. Other users may enter the directory, because PostgreSQL may have to run as another
 * user.
 */
export function makeDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const ignoreFile = join(directory, '.gitignore');
  if (!existsSync(ignoreFile)) writeFileSync(ignoreFile, '*\n');
}
