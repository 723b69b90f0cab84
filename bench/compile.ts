import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Compiles the bench, so that the compared servers run as output of `tsc`, like our server. Without
 * compilation, a loader would add helper functions to the code. Resolves with the directory of the compiled
 * `bench/`.
 */
export async function compile(root: string): Promise<string> {
  const tsc = join(root, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', join(root, 'bench/tsconfig.json'), '--noCheck']);
  return join(root, 'bench/.build/bench');
}
