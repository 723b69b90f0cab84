import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded.ts';
import { isRunning, livePostmaster } from './postmaster.ts';

/**
 * A data directory of a stopped server, which the tests copy. Creating the cluster takes longest, and most
 * tests do not examine the first start.
 */
const template = mkdtempSync(join(tmpdir(), 'unseen-test-template-'));

const nobody = { uid: 65534, gid: 65534 };

/** The cleanup functions of a test. They run in reverse order. */
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  chmodSync(template, 0o755);
  const server = await startEmbeddedPostgres({ dataDir: template });
  await server.stop();
});

afterAll(() => rmSync(template, { recursive: true }));

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe('the embedded PostgreSQL', () => {
  it('has the same data after a stop and a start', async () => {
    const dataDir = newDataDir();
    const first = await start(dataDir);
    await writeNote(first, 'kept');
    await first.stop();
    expect(livePostmaster(clusterOf(dataDir))).toBeUndefined();

    const second = await start(dataDir);
    expect(second.attached).toBe(false);
    expect(await readNotes(second)).toEqual(['kept']);
  });

  it('listens only on a unix socket in a directory that is closed to other accounts', async () => {
    const { connection } = await start(usedDataDir());
    const addresses = await query(connection, `SELECT current_setting('listen_addresses') AS value`);
    expect(addresses).toEqual([{ value: '' }]);
    expect(statSync(connection.host).mode & 0o777).toBe(0o700);
  });

  it('continues to run after a kill -9 of its process, and the next start takes over the server with its data', async () => {
    const dataDir = usedDataDir();
    const owner = await startProcess(dataDir);
    await writeNote(owner, 'before the kill');
    const server = livePostmaster(clusterOf(dataDir));
    await owner.kill();

    const next = await start(dataDir);
    expect(next.attached).toBe(true);
    expect(livePostmaster(clusterOf(dataDir))).toBe(server);
    expect(await readNotes(next)).toEqual(['before the kill']);
  });

  it('calls `onLost` once after a kill -9 of the server, and the next start has the same data', async () => {
    const dataDir = usedDataDir();
    const onLost = vi.fn<(reason: string) => void>();
    const first = await start(dataDir, onLost);
    await writeNote(first, 'before the kill');
    killServer(dataDir);
    await vi.waitFor(() => expect(onLost).toHaveBeenCalledOnce(), { timeout: 5000, interval: 10 });

    const second = await start(dataDir);
    expect(second.connection).toEqual(first.connection);
    await first.stop();
    // The first owner has lost the ownership of the server, so it did not stop the server.
    expect(await readNotes(second)).toEqual(['before the kill']);
    expect(onLost.mock.calls).toEqual([[expect.stringMatching(/connection/i)]]);
  });

  it('starts with the same data after a kill -9 of its process and of its server', async () => {
    const dataDir = usedDataDir();
    const owner = await startProcess(dataDir);
    await writeNote(owner, 'before the kill');
    killServer(dataDir);
    await owner.kill();

    const next = await start(dataDir);
    expect(next.attached).toBe(false);
    expect(await readNotes(next)).toEqual(['before the kill']);
  });

  it.each([
    ['is a zombie that nothing reaps', 'sleep 0 & echo $!; exec sleep 1000'],
    ['belongs to another program', 'echo $$; exec sleep 1000'],
  ])('starts with the same data if the pid in the lock file of a killed server %s', async (_, script) => {
    const dataDir = usedDataDir();
    const owner = await startProcess(dataDir);
    await writeNote(owner, 'before the kill');
    const lockFiles = [
      join(clusterOf(dataDir), 'postmaster.pid'),
      join(owner.connection.host, '.s.PGSQL.5432.lock'),
    ];
    killServer(dataDir);
    await owner.kill();

    // This process runs as the user of the server, because PostgreSQL ignores processes of other users.
    const { uid, gid } = statSync(clusterOf(dataDir));
    const other = spawn('/bin/sh', ['-c', script], { uid, gid, stdio: ['ignore', 'pipe', 'inherit'] });
    undo.push(() => other.kill());
    const pid = await firstLine(other);
    for (const file of lockFiles) writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, pid));

    const next = await start(dataDir);
    expect(await readNotes(next)).toEqual(['before the kill']);
    expect(other.exitCode ?? other.signalCode).toBeNull();
  });

  it('has only one owner, and the error of a second start says which process to stop', async () => {
    const dataDir = usedDataDir();
    const owner = await startProcess(dataDir);
    await expect(start(dataDir)).rejects.toMatchObject({
      code: 'START_REFUSED',
      message:
        `Another Unseen process (pid ${owner.pid}) uses the data directory ${dataDir}. ` +
        'Stop that process, set DATA_DIR to another directory, or start with --ephemeral.',
    });
    expect(await query(owner.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('has only one owner if several processes start it for the first time at once', async () => {
    const dataDir = newDataDir();
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => startProcess(dataDir)));
    const owners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value.pid : []));
    const refusals = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? `${outcome.reason}` : [],
    );
    expect(owners).toHaveLength(1);
    expect(refusals).toEqual(
      Array(2).fill(expect.stringContaining(`Another Unseen process (pid ${owners[0]})`)),
    );
    expect(readdirSync(dataDir).sort()).toEqual(['postgres', 'postgres.log', 'socket']);
  });

  it('starts with a new cluster after a kill -9 in the middle of the first start', async () => {
    const dataDir = newDataDir();
    const draftsIn = () => readdirSync(dataDir).filter((name) => name.startsWith('postgres.new-'));
    const first = spawnProcess({ dataDir });
    await vi.waitFor(() => expect(draftsIn()).toHaveLength(1), { timeout: 10_000, interval: 5 });
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(existsSync(clusterOf(dataDir))).toBe(false);

    await start(dataDir);
    await vi.waitFor(() => expect(draftsIn()).toEqual([]), { timeout: 5000, interval: 10 });
  });

  it('has a socket that clients can reach even if the path of the data directory is long', async () => {
    const server = await start(join(newDataDir(), 'x'.repeat(100)));
    expect(await query(server.connection, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await server.stop();
    expect(existsSync(server.connection.host)).toBe(false);
  });

  it('refuses data of another major version, and the error says how to migrate it', async () => {
    const dataDir = usedDataDir();
    await (await start(dataDir)).stop();
    writeFileSync(join(clusterOf(dataDir), 'PG_VERSION'), '13\n');
    await expect(start(dataDir)).rejects.toMatchObject({
      code: 'START_REFUSED',
      message: expect.stringMatching(/written by PostgreSQL 13, .*pg_dump.*DATABASE_URL/),
    });
  });

  it('refuses an unusable data directory, and the error says which variable to set', async () => {
    const dataDir = join(newDataDir(), 'a-file');
    writeFileSync(dataDir, '');
    await expect(start(dataDir)).rejects.toMatchObject({
      code: 'START_REFUSED',
      message: expect.stringMatching(/ENOTDIR.*DATA_DIR.*DATABASE_URL/),
    });
  });

  it('limits the size of its log and logs no errors of statements', async () => {
    const dataDir = usedDataDir();
    const log = join(dataDir, 'postgres.log');
    writeFileSync(log, 'x'.repeat(1_000_001));
    const { connection } = await start(dataDir);
    const failing = Array.from({ length: 20 }, (_, at) =>
      query(connection, `SELECT 'secret' = ${at}, 1 / 0`),
    );
    await Promise.allSettled(failing);
    expect(statSync(log).size).toBeLessThan(10_000);
    expect(readFileSync(log, 'utf8')).not.toContain('secret');
  });
});

describe('the ephemeral embedded PostgreSQL', () => {
  it('leaves no files and no process when it is stopped', async () => {
    const server = await startEmbeddedPostgres({ ephemeral: true });
    const directory = dirname(server.connection.host);
    const pid = livePostmaster(clusterOf(directory)) ?? Number.NaN;
    await writeNote(server, 'gone soon');
    await server.stop();
    expect(existsSync(directory)).toBe(false);
    expect(isRunning(pid)).toBe(false);
  });

  it('leaves no files and no process after a kill -9 of its process', async () => {
    const owner = await startProcess();
    const directory = dirname(owner.connection.host);
    const pid = livePostmaster(clusterOf(directory)) ?? Number.NaN;
    await owner.kill();
    await vi.waitFor(
      () => {
        expect(existsSync(directory)).toBe(false);
        expect(isRunning(pid)).toBe(false);
      },
      { timeout: 10_000, interval: 10 },
    );
  });

  it('leaves no files and no process after a kill -9 in the middle of the start', async () => {
    const temporary = newDataDir();
    chmodSync(temporary, 0o777);
    const owner = spawnProcess({ ephemeral: true }, { TMPDIR: temporary });
    const holdsDraft = () =>
      readdirSync(temporary, { recursive: true }).some((path) => /new-\d/.test(`${path}`));
    await vi.waitFor(() => expect(holdsDraft()).toBe(true), { timeout: 10_000, interval: 5 });
    owner.kill('SIGKILL');
    const unseen = () => readdirSync(temporary).filter((name) => name.startsWith('unseen-'));
    await vi.waitFor(() => expect(unseen()).toEqual([]), { timeout: 10_000, interval: 10 });
  });
});

describe('the embedded PostgreSQL of a root process', { tags: ['root'] }, () => {
  it('runs as another user than root', async () => {
    const dataDir = usedDataDir();
    await start(dataDir);
    const pid = livePostmaster(clusterOf(dataDir)) ?? Number.NaN;
    expect(statSync(`/proc/${pid}`).uid).not.toBe(0);
  });

  it('can use a data directory that only root can enter', async () => {
    const closed = newDataDir();
    chmodSync(closed, 0o700);
    const dataDir = join(closed, '.unseen');
    const first = await start(dataDir);
    await writeNote(first, 'kept');
    await first.stop();
    expect(existsSync(join(dataDir, 'postgres', 'PG_VERSION'))).toBe(true);
    expect(await readNotes(await start(dataDir))).toEqual(['kept']);
  });

  it('can use the data directory of an ordinary user, and only one of the two processes may own it at a time', async () => {
    const dataDir = newDataDir();
    chownSync(dataDir, nobody.uid, nobody.gid);
    const owner = await startProcess(dataDir, nobody);
    await writeNote(owner, 'from an ordinary user');
    await expect(start(dataDir)).rejects.toMatchObject({ code: 'START_REFUSED' });
    await owner.kill();

    const next = await start(dataDir);
    expect(next.attached).toBe(true);
    expect(await readNotes(next)).toEqual(['from an ordinary user']);
    await next.stop();
    const again = await startProcess(dataDir, nobody);
    expect(await readNotes(again)).toEqual(['from an ordinary user']);
  });

  it('refuses an ordinary user who does not own the data', async () => {
    const dataDir = usedDataDir();
    await (await start(dataDir)).stop();
    await expect(startProcess(dataDir, { uid: 12345, gid: 12345 })).rejects.toThrow(
      /belongs to user \d+, but this process runs as user 12345.*DATA_DIR/,
    );
  });
});

interface Owner extends Pick<EmbeddedPostgres, 'connection'> {
  readonly pid: number;
  /** Kills the process with kill -9. Resolves when the process has ended. */
  kill(): Promise<void>;
}

const announcement = z.union([
  z.object({
    connection: z.object({ host: z.string(), port: z.number(), user: z.string(), database: z.string() }),
  }),
  z.object({ refused: z.string() }),
]);

/**
 * Starts a process that owns `dataDir`. Without a directory the process starts an ephemeral server. Rejects
 * if the start is refused.
 */
async function startProcess(dataDir?: string, account?: typeof nobody): Promise<Owner> {
  const child = spawnProcess(dataDir === undefined ? { ephemeral: true } : { dataDir }, {}, account);
  const said = announcement.parse(JSON.parse(await firstLine(child)));
  if ('refused' in said) throw new Error(said.refused);
  return {
    connection: said.connection,
    pid: child.pid ?? Number.NaN,
    async kill() {
      child.kill('SIGKILL');
      if (child.signalCode === null) await once(child, 'exit');
    },
  };
}

function spawnProcess(
  options: Parameters<typeof startEmbeddedPostgres>[0],
  env: NodeJS.ProcessEnv = {},
  account?: typeof nobody,
): ChildProcess {
  const program = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)});
    const said = await startEmbeddedPostgres(${JSON.stringify(options)}).then(
      ({ connection }) => ({ connection }),
      (error) => ({ refused: error.message }),
    );
    console.log(JSON.stringify(said));
    if ('refused' in said) process.exit(1);
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    ...account,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  undo.push(() => child.kill('SIGKILL'));
  return child;
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('The output is not a pipe.');
  for await (const line of createInterface(stdout)) return line;
  throw new Error('The process ended without a word.');
}

/**
 * Creates an empty directory that every account may pass through. After the test, processes that still run in
 * the directory are killed.
 */
function newDataDir(): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'unseen-test-'));
  chmodSync(dataDir, 0o755);
  undo.push(async () => {
    killServer(dataDir);
    // A server that was just killed may still write files.
    await vi.waitFor(() => rmSync(dataDir, { recursive: true, force: true }), {
      timeout: 5000,
      interval: 20,
    });
  });
  return dataDir;
}

/** Copies the data directory of a server that was started and stopped. */
function usedDataDir(): string {
  const dataDir = newDataDir();
  execFileSync('cp', ['-a', clusterOf(template), dataDir]);
  return dataDir;
}

async function start(dataDir: string, onLost?: (reason: string) => void): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, ...(onLost && { onLost }) });
  undo.push(() => server.stop());
  return server;
}

function killServer(dataDir: string): void {
  const pid = existsSync(clusterOf(dataDir)) ? livePostmaster(clusterOf(dataDir)) : undefined;
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
}

function clusterOf(dataDir: string): string {
  return join(dataDir, 'postgres');
}

type Connected = Pick<EmbeddedPostgres, 'connection'>;

async function writeNote({ connection }: Connected, text: string): Promise<void> {
  await query(connection, 'CREATE TABLE IF NOT EXISTS note (text text)');
  await query(connection, `INSERT INTO note VALUES (${pg.escapeLiteral(text)})`);
}

async function readNotes({ connection }: Connected): Promise<unknown[]> {
  return (await query(connection, 'SELECT text FROM note')).map(({ text }) => text);
}

async function query(
  connection: EmbeddedPostgres['connection'],
  sql: string,
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
