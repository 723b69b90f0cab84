import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { createTestDatabase } from './testing/database.ts';
import { openLine } from './testing/line.ts';

const waiting = { timeout: 20_000, interval: 50 };

let dataDir: string;
let started: ChildProcess[];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'unseen-main-'));
  started = [];
});
afterEach(async () => {
  for (const child of started.filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  )) {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  rmSync(dataDir, { recursive: true, force: true });
});

/** Starts `unseen` with nothing of this process's settings. */
function unseen(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', ...args], {
    env: { PATH: process.env['PATH'], DATA_DIR: dataDir, PORT: '0', ...env },
  });
  started.push(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk;
  });
  const exit = once(child, 'close').then(([code]) => ({ code: code as number, ...output }));
  return {
    child,
    exit,
    ready: async (): Promise<string> => {
      await vi.waitFor(() => expect(output.stderr).toContain('is ready after'), {
        timeout: 20_000,
        interval: 50,
      });
      return /Demo +(http:\S+)\/demo/.exec(output.stderr)?.[1] as string;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

describe('unseen', () => {
  it('explains itself', async () => {
    const help = await unseen(['--help']).exit;
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/start[\s\S]*migrate[\s\S]*token[\s\S]*Examples:/);
    expect((await unseen(['--version']).exit).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const unknown = await unseen(['strat']).exit;
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toContain("unknown command 'strat'");
  });

  it('prints a token for a user, and asks which when none is named', async () => {
    const { stdout, code } = await unseen(['token', '--user', 'alice', '--tenant', 'acme']).exit;
    expect(code).toBe(0);
    const claims = JSON.parse(Buffer.from(stdout.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ sub: 'alice', tenant: 'acme', role: 'user' });
    expect(claims.exp - claims.iat).toBe(12 * 3600);
    expect(statSync(join(dataDir, 'auth-secret')).mode & 0o777).toBe(0o600);
    expect(await unseen(['token']).exit).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--user alice'),
    });
    expect(await unseen(['token', '--role', 'root']).exit).toMatchObject({ code: 1 });
  });

  it('reports every problem of the configuration and starts nothing', async () => {
    const { code, stderr } = await unseen(['start'], { PORT: 'x', LOG_LEVEL: 'y' }).exit;
    expect(code).toBe(1);
    expect(stderr).toMatch(/2 problems:\n {2}PORT: .*\n {2}LOG_LEVEL: /);
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it('keeps its data over a restart, and stops with 0', async () => {
    const first = unseen(['start']);
    const url = await first.ready();
    const { stdout } = await unseen(['token', '--user', 'alice']).exit;
    const ask = async (base: string, query: string) => {
      const response = await fetch(`${base}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${stdout.trim()}` },
        body: JSON.stringify({ query }),
      });
      return (await response.json()) as unknown;
    };
    await ask(url, 'mutation { recordPageView(input: { name: "Home" }) { eventId } }');
    first.child.kill('SIGTERM');
    expect(await first.exit).toMatchObject({ code: 0 });

    const second = unseen(['start']);
    const again = await second.ready();
    await vi.waitFor(async () =>
      expect(await ask(again, '{ viewer { stats { pageViewCount } } }')).toEqual({
        data: { viewer: { stats: { pageViewCount: 1 } } },
      }),
    );
  });

  it('says in a sentence that the port is taken, and that the data directory is', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as AddressInfo;
    const busy = await unseen(['start', '--ephemeral'], { PORT: String(port) }).exit;
    squatter.close();
    expect(busy.code).toBe(1);
    expect(busy.stderr).toBe(
      `unseen: 127.0.0.1:${port} is in use by another program. Stop it, or choose a port: PORT=${port + 1}.\n`,
    );

    const owner = unseen(['start']);
    await owner.ready();
    const second = await unseen(['start']).exit;
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(new RegExp(`^unseen: .*${owner.child.pid}.*\\n$`));
  });

  it('keeps nothing when told so', async () => {
    const ephemeral = unseen(['start', '--ephemeral']);
    await ephemeral.ready();
    ephemeral.child.kill('SIGTERM');
    expect(await ephemeral.exit).toMatchObject({ code: 0 });
    expect(existsSync(join(dataDir, 'auth-secret'))).toBe(false);
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it('migrates and says what it did', async () => {
    expect((await unseen(['migrate']).exit).stdout).toMatch(/^Applied: \d+_init/);
    expect((await unseen(['migrate']).exit).stdout).toBe('The database is up to date.\n');
  });

  it('waits for a database that is not there yet, alive and not ready, says so once, and can be told to stop', async () => {
    const database = await createTestDatabase();
    const line = await openLine(database.connectionString);
    line.set('answerless');
    try {
      const env = { DATABASE_URL: line.connectionString, PORT: String(await freePort()) };
      const url = `http://127.0.0.1:${env.PORT}`;
      const impatient = unseen(['start'], env);
      await vi.waitFor(async () => expect((await fetch(`${url}/healthz`)).status).toBe(200), waiting);
      impatient.child.kill('SIGTERM');
      expect(await impatient.exit).toMatchObject({ code: 0, stderr: '' });

      const patient = unseen(['start'], env);
      await vi.waitFor(async () => expect((await fetch(`${url}/healthz`)).status).toBe(200), waiting);
      const readiness = await fetch(`${url}/readyz`);
      expect([readiness.status, await readiness.json()]).toEqual([
        503,
        { status: 'not ready', missing: ['starting'] },
      ]);
      const answer = await fetch(`${url}/graphql`, { method: 'POST' });
      expect([answer.status, await answer.json()]).toMatchObject([
        503,
        { errors: [{ extensions: { code: 'UNAVAILABLE' } }] },
      ]);
      line.set('up');
      await patient.ready();
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      patient.child.kill('SIGTERM');
      const { code, stdout } = await patient.exit;
      expect(code).toBe(0);
      expect(stdout.match(/cannot be reached/g)).toHaveLength(1);
    } finally {
      await line.close();
      await database.drop();
    }
  });

  it.each([
    ['a user the server does not know', (url: URL) => Object.assign(url, { username: 'nobody_here' })],
    ['a database that is not there', (url: URL) => Object.assign(url, { pathname: '/nothing_here' })],
  ])('refuses to start with %s', async (_, change) => {
    const line = await openLine(inject('postgres').connectionString);
    const url = change(new URL(line.connectionString));
    const { code, stderr } = await unseen(['start'], { DATABASE_URL: url.href }).exit;
    await line.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^unseen: PostgreSQL refused the connection: .*Check DATABASE_URL\.\n$/);
  });

  it('says in a sentence that the database cannot be reached', async () => {
    const { code, stderr } = await unseen(['migrate'], {
      DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/x',
    }).exit;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^unseen: The database cannot be reached: .*Check DATABASE_URL\.\n$/);
    expect(stderr).not.toContain('hunter2');
  });
});
