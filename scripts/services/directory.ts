import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where data and downloads are kept: in the checkout, out of git's sight. */
export const defaultDirectory = fileURLToPath(new URL('../../.services', import.meta.url));

/** Makes the directory, open to pass through, since PostgreSQL may have to run as another user. */
export function makeDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const ignoreFile = join(directory, '.gitignore');
  if (!existsSync(ignoreFile)) writeFileSync(ignoreFile, '*\n');
}
