import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Account, canReach } from './account.ts';

/** A directory that does not outlive this process. */
export interface TemporaryDirectory {
  readonly directory: string;
  /** Kills the server in it and resolves when server and directory are gone. */
  remove(): Promise<void>;
}

/**
 * Waits for the end of its input, which comes when the process at the other end says so or dies, then kills
 * the server and removes the directory. A server that was only just starting may still create files, hence
 * the repetition.
 */
const janitor = `
cat > /dev/null
pid=$(head -n 1 "$1/$2" 2> /dev/null) && kill -QUIT "$pid" 2> /dev/null
for try in $(seq 100); do rm -rf "$1" 2> /dev/null && [ ! -e "$1" ] && exit; sleep 0.05; done
`;

/** Creates the directory for `account` to use; `lockFile` is where, inside, the server writes its pid. */
export function createTemporaryDirectory(account: Account | undefined, lockFile: string): TemporaryDirectory {
  const directory = mkdtempSync(join(temporaryRoot(account), 'unseen-'));
  if (account) chownSync(directory, account.uid, account.gid);
  const child = spawn('/bin/sh', ['-c', janitor, 'unseen-janitor', directory, lockFile], {
    ...account,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
    // In a session of its own it survives the Ctrl-C that ends us.
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
 * Where temporary things go that `account` must reach and whose path must leave room for a socket's name:
 * TMPDIR, unless it is too deep, or root's own.
 */
export function temporaryRoot(account: Account | undefined): string {
  return Buffer.byteLength(tmpdir()) < 60 && canReach(tmpdir(), account) ? tmpdir() : '/tmp';
}
