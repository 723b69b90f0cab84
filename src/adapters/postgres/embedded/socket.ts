import { createHash } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../../domain/error.ts';
import { type Account, canReach } from './account.ts';
import { temporaryRoot } from './temporary.ts';

/** The directory of a server's unix socket. Other accounts cannot enter it. */
export interface SocketDirectory {
  readonly path: string;
  /**
   * Creates the directory if it does not exist. Throws START_REFUSED if the path belongs to another account.
   */
  open(): void;
  /** Removes the directory if it is outside the data directory. Must be called after the server has ended. */
  tidy(): void;
}

/**
 * Chooses the directory of the socket. Prefers a directory inside the data directory `home`. Uses a temporary
 * directory if the path is too long for a socket address, or if the server's account cannot reach `home`.
 * Every start on the same data chooses the same directory.
 */
export function socketDirectory(
  home: string,
  account: Account | undefined,
  socketName: string,
): SocketDirectory {
  const inside = join(home, 'socket');
  // sockaddr_un has room for 108 bytes on Linux and 104 on macOS, including the final NUL.
  const isInside = Buffer.byteLength(join(inside, socketName)) < 104 && canReach(home, account);
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 16);
  const path = isInside ? inside : join(temporaryRoot(account), `unseen-socket-${digest}`);
  return {
    path,
    open() {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      // The path may be below a temporary directory that all accounts share, so another account may have
      // created it first.
      const found = lstatSync(path);
      const isOurs = found.uid === process.getuid?.() || found.uid === account?.uid;
      if (!found.isDirectory() || !isOurs) {
        throw new AppError(
          'START_REFUSED',
          `${path} belongs to another account. Remove it, or set another DATA_DIR.`,
        );
      }
      chmodSync(path, 0o700);
      if (account) chownSync(path, account.uid, account.gid);
    },
    tidy() {
      if (isInside) return;
      try {
        rmdirSync(path);
      } catch {
        // The directory is not empty, because the next server already uses it.
      }
    },
  };
}
