import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../../../domain/error.ts';

/** The operating system account that a server process runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account that PostgreSQL must run as. Undefined means the account of this process. PostgreSQL refuses to
 * run as root, so a process of root starts PostgreSQL as the owner of the existing cluster. Without a cluster
 * it uses an unprivileged account. Throws START_REFUSED if the owner of the cluster cannot run PostgreSQL.
 */
export function serverAccount(cluster?: string): Account | undefined {
  const owner = cluster === undefined ? undefined : statSync(cluster, { throwIfNoEntry: false });
  const own = process.getuid?.();
  if (own !== 0) {
    if (owner === undefined || own === undefined || owner.uid === own) return undefined;
    throw new AppError(
      'START_REFUSED',
      `${cluster} belongs to user ${owner.uid}, but this process runs as user ${own}. Start Unseen as that user, ` +
        `change the owner of the files (chown -R ${own} on the data directory), or set another DATA_DIR.`,
    );
  }
  if (owner === undefined) return unprivilegedAccount();
  if (owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const { uid, gid } = unprivilegedAccount();
  throw new AppError(
    'START_REFUSED',
    `${cluster} belongs to root, but PostgreSQL does not run as root. Run: chown -R ${uid}:${gid} ${cluster}`,
  );
}

function unprivilegedAccount(): Account {
  // initdb requires a user that /etc/passwd lists. On macOS `nobody` has the id -2, which cannot be passed
  // to a child process.
  for (const name of ['nobody', '_postgres', 'postgres']) {
    const fields = readFileSync('/etc/passwd', 'utf8').match(
      new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm'),
    );
    if (fields !== null && Number(fields[1]) > 0) return { uid: Number(fields[1]), gid: Number(fields[2]) };
  }
  throw new AppError(
    'START_REFUSED',
    'PostgreSQL does not run as root, and /etc/passwd lists no user `nobody` to run it as. ' +
      'Start Unseen as an ordinary user, or set DATABASE_URL.',
  );
}

/**
 * Whether `account` may pass through the existing `directory` and all its parents. Only the mode bits are
 * examined, not ACLs.
 */
export function canReach(directory: string, account: Account | undefined): boolean {
  if (account === undefined) return true;
  for (let at = realpathSync(directory); ; at = dirname(at)) {
    const { mode, uid, gid } = statSync(at);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
