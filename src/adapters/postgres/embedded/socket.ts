import { createHash } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../../domain/error.ts';
import { type Account, canReach } from './account.ts';
import { temporaryRoot } from './temporary.ts';

/** The directory of a server's unix socket, closed to others. */
export interface SocketDirectory {
  readonly path: string;
  /** Creates it if it is not there. Throws START_REFUSED when someone else has put something in its place. */
  open(): void;
  /** Once the server is gone: leaves nothing outside the data directory. */
  tidy(): void;
}

/**
 * Inside the data directory `home`; or, where that is too deep for a socket's address or out of the reach of
 * the server's account, a temporary one that every start on the same data finds again.
 */
export function socketDirectory(
  home: string,
  account: Account | undefined,
  socketName: string,
): SocketDirectory {
  const inside = join(home, 'socket');
  // sockaddr_un holds 108 bytes on Linux and 104 on macOS, the final NUL included.
  const isInside = Buffer.byteLength(join(inside, socketName)) < 104 && canReach(home, account);
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 16);
  const path = isInside ? inside : join(temporaryRoot(account), `unseen-socket-${digest}`);
  return {
    path,
    open() {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      // In a temporary directory anyone may have come first.
      const found = lstatSync(path);
      const isOurs = found.uid === process.getuid?.() || found.uid === account?.uid;
      if (!found.isDirectory() || !isOurs) {
        throw new AppError(
          'START_REFUSED',
          `${path} belongs to someone else. Remove it, or set another DATA_DIR.`,
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
        // Not empty: the next server is already there.
      }
    },
  };
}
