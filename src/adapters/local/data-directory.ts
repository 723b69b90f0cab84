import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Says why a directory cannot be created or written to, with the message of the system. Undefined if it can.
 * Changes nothing.
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
