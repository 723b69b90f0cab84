import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Account, canReach, serverAccount } from '../../src/adapters/postgres/embedded/account.ts';
import { dropStaleLock } from '../../src/adapters/postgres/embedded/postmaster.ts';
import { findProgram, run } from './programs.ts';
import { makeOnce, type Recipe } from './recipe.ts';

/**
 * The settings that differ from PostgreSQL's defaults. PostgreSQL uses no unix socket, so the path of the
 * directory may be long, and the directory may be closed to other users.
 */
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/** The name of the user and of the database. The user is a superuser. */
const name = 'unseen';

/**
 * PostgreSQL with a random password. If this process runs as root, PostgreSQL runs as another user, who also
 * owns the data.
 */
export const postgres: Recipe = {
  name: 'postgres',
  // SIGINT means a fast shutdown, which does not wait for clients.
  stopSignal: 'SIGINT',
  programs: () => ['initdb'],
  async prepare({ directory, port }) {
    // postgres and initdb must have the same version. On PATH, initdb is a link to the directory that also
    // contains postgres.
    const initdb = realpathSync(findProgram('initdb'));
    const server = join(dirname(initdb), 'postgres');
    const data = join(directory, 'data');
    mkdirSync(directory, { recursive: true });
    const account = serverAccount(statSync(data, { throwIfNoEntry: false }) && data);
    await makeOnce(data, async (draft) => {
      const passwordFile = join(draft, 'password');
      writeFileSync(passwordFile, randomBytes(16).toString('hex'), { mode: 0o600 });
      if (account) for (const path of [draft, passwordFile]) chownSync(path, account.uid, account.gid);
      const { path, open } = reach(draft, account);
      const as = { ...account, cwd: draft, open };
      await run(
        initdb,
        [
          ...['-D', `${path}/cluster`, `--username=${name}`, `--pwfile=${path}/password`],
          ...['--auth=scram-sha-256', '--encoding=UTF8', `--locale=${locale}`],
        ],
        as,
      );
      const single = ['--single', '-D', `${path}/cluster`, 'template1'];
      await run(server, single, { ...as, input: `CREATE DATABASE ${name}\n` });
    });
    const cluster = join(data, 'cluster');
    dropStaleLock(join(cluster, 'postmaster.pid'), cluster);
    const { path, open } = reach(data, account);
    const options = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    return {
      command: {
        program: server,
        args: ['-D', `${path}/cluster`, '-p', String(port), ...options],
        directory: data,
        account,
        open,
      },
      url: `postgresql://${name}:${readFileSync(join(data, 'password'), 'utf8')}@127.0.0.1:${port}/${name}`,
    };
  },
};

// Only Linux has C.UTF-8.
const locale = process.platform === 'linux' ? 'C.UTF-8' : 'C';

/**
 * Returns how the account accesses the directory: by its path, or by an open descriptor if the account may
 * not enter a parent (for example /root).
 */
function reach(directory: string, account: Account | undefined): { path: string; open?: string } {
  return canReach(directory, account) ? { path: directory } : { path: '/proc/self/fd/4', open: directory };
}
