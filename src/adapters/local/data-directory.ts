import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Returns the message of the operating system that says why a directory cannot be created or written to.
 * Undefined if it can. Changes nothing.
 */
export function problemOfDirectory(directory: string): string | undefined {
  let there = resolve(directory);
  while (!existsSync(there)) there = dirname(there);
  if (!statSync(there).isDirectory()) return `${there} is not a directory`;
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
