import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, canReach } from './account.ts';

/** A directory that does not outlive this process. */
export interface TemporaryDirectory {
  readonly directory: string;
  /** Kills the server in the directory. Resolves when the server and the directory are gone. */
  remove(): Promise<void>;
}

/**
 * A script that waits for the end of its input, then kills the server and removes the directory. The input
 * ends when this process closes it or dies. The removal is repeated, because a server that was just starting
 * may still create files.
 */
const janitor = `
cat > /dev/null
pid=$(head -n 1 "$1/$2" 2> /dev/null) && kill -QUIT "$pid" 2> /dev/null
for try in $(seq 100); do rm -rf "$1" 2> /dev/null && [ ! -e "$1" ] && exit; sleep 0.05; done
`;

/** Creates the directory for `account`. `lockFile` is the path within it where the server writes its pid. */
export function createTemporaryDirectory(account: Account | undefined, lockFile: string): TemporaryDirectory {
  const directory = mkdtempSync(join(temporaryRoot(account), 'unseen-'));
  if (account) chownSync(directory, account.uid, account.gid);
  const child = spawn('/bin/sh', ['-c', janitor, 'unseen-janitor', directory, lockFile], {
    ...account,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    // In its own session the script survives the Ctrl-C that ends this process.
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
 * The root for temporary directories that `account` must reach and whose path must leave room for the name of
 * a socket. Returns TMPDIR, or `/tmp` if TMPDIR is too long or closed to the account.
 */
export function temporaryRoot(account: Account | undefined): string {
  return Buffer.byteLength(tmpdir()) < 60 && canReach(tmpdir(), account) ? tmpdir() : '/tmp';
}
