import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, canReach } from './account.ts';

/** A directory that is removed when this process ends. */
export interface TemporaryDirectory {
  readonly directory: string;
  /** Kills the server in the directory and removes the directory. Resolves when both are done. */
  remove(): Promise<void>;
}

/**
 * A script that waits for the end of its input, then kills the server and removes the directory. The input
 * ends when this process closes it or dies. The script repeats the removal, because a server that is starting
 * may still create files.
 */
const janitor = `
cat > /dev/null
pid=$(head -n 1 "$1/$2" 2> /dev/null) && kill -QUIT "$pid" 2> /dev/null
for try in $(seq 100); do rm -rf "$1" 2> /dev/null && [ ! -e "$1" ] && exit; sleep 0.05; done
`;

/**
 * Creates the directory for `account`. `lockFile` is the path of the server's lock file within the directory.
 * The server writes its pid to this file.
 */
export function createTemporaryDirectory(account: Account | undefined, lockFile: string): TemporaryDirectory {
  const directory = mkdtempSync(join(temporaryRoot(account), 'unseen-'));
  if (account) chownSync(directory, account.uid, account.gid);
  const child = spawn('/bin/sh', ['-c', janitor, 'unseen-janitor', directory, lockFile], {
    ...account,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    // The script runs in its own session. So the Ctrl-C that ends this process does not end the script.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const exited = once(child, 'exit').catch(() => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  return {
    directory,
    async remove() {
      child.stdin.end();
      child.ref();
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * The directory in which to create a temporary directory. `account` must be able to reach it, and its path
 * must be short enough for the name of a socket. Returns TMPDIR, or `/tmp` if TMPDIR is too long or closed to
 * the account.
 */
export function temporaryRoot(account: Account | undefined): string {
  return Buffer.byteLength(tmpdir()) < 60 && canReach(tmpdir(), account) ? tmpdir() : '/tmp';
}
