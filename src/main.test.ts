import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { type PrivateInstance, startRedis } from '../scripts/services/private.ts';
import { connect } from './adapters/postgres/connection.ts';
import { findEmbeddedPostgres } from './adapters/postgres/embedded/embedded.ts';
import { createPostgresStore } from './adapters/postgres/store.ts';
import { createTestDatabase } from './testing/database.ts';
import { limitsOf } from './testing/limit.ts';
import {
  limitFixture,
  limitFixtureCounts,
  limitFixtureFile,
  limitFixtureTable,
  limitFixtureUsers,
  limitLine,
  shuffled,
} from './testing/limit-fixture.ts';
import { openLine } from './testing/line.ts';
import { connectionStringOf, withClient } from './testing/postgres-server.ts';

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

/** Starts `unseen` without the settings of this process. */
function unseen(args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['.build/main.js', ...args], {
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
    stderr: () => output.stderr,
    stdout: () => output.stdout,
    /** Resolves with the address of the server when the banner appears. */
    ready: async (): Promise<string> => {
      await vi.waitFor(() => expect(output.stderr).toMatch(/is (ready|up) after/), {
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
  it('prints help and its version, and refuses an unknown command', async () => {
    const help = await unseen(['--help']).exit;
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/start[\s\S]*migrate[\s\S]*token[\s\S]*dlq[\s\S]*import[\s\S]*Examples:/);
    expect((await unseen(['--version']).exit).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const unknown = await unseen(['strat']).exit;
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(unknown.stderr).toContain("unknown command 'strat'");
  });

  it('prints each default in the form that its option accepts', async () => {
    const help = async (...command: string[]) => (await unseen([...command, '--help']).exit).stdout;
    expect(await help('demo')).toMatch(/--for <duration> .*\(default: 2m\)/);
    // An option without a value has no default.
    for (const command of ['start', 'doctor', 'sweep', 'rebuild'])
      expect(await help(command)).not.toContain('false');
  });

  it('prints a token for a user, and requires --user', async () => {
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

  it('stops the embedded PostgreSQL if a signal arrives while PostgreSQL starts', async () => {
    const postmaster = join(dataDir, 'postgres', 'postmaster.pid');
    const { child, exit } = unseen(['start']);
    await vi.waitFor(() => expect(existsSync(postmaster)).toBe(true), { ...waiting, interval: 5 });
    child.kill('SIGTERM');
    expect(await exit).toMatchObject({ code: 0 });
    expect(existsSync(postmaster)).toBe(false);
  });

  it('keeps its data across a restart, and exits with 0', async () => {
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

  it('names the setting to change if the port is in use, and the process that uses the data directory', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as AddressInfo;
    const busy = await unseen(['start', '--ephemeral'], { PORT: String(port) }).exit;
    squatter.close();
    expect(busy.code).toBe(1);
    expect(busy.stderr).toBe(
      `unseen: 127.0.0.1:${port} is already in use. Set PORT to another port, or stop the process that listens there.\n`,
    );

    const owner = unseen(['start']);
    await owner.ready();
    const second = await unseen(['start']).exit;
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(new RegExp(`^unseen: .*${owner.child.pid}.*\\n$`));
  });

  it('refuses an address of another machine in one sentence', async () => {
    // RFC 5737 reserves this address for documentation, so no machine has this address.
    expect(await unseen(['start', '--ephemeral'], { HOST: '192.0.2.1' }).exit).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'unseen: 192.0.2.1 is not an address of this machine. Set HOST=127.0.0.1, or HOST=0.0.0.0 to listen on all addresses.\n',
    });
  });

  it.each([
    [
      'win32-x64',
      `Object.defineProperties(process, { platform: { value: 'win32' }, arch: { value: 'x64' } })`,
    ],
    [
      'linux-x64 with musl',
      `Object.defineProperties(process, { platform: { value: 'linux' }, arch: { value: 'x64' } });
       process.report.getReport = () => ({ header: {} })`,
    ],
  ])('refuses to run an embedded PostgreSQL on %s in one sentence', async (platform, disguise) => {
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(disguise)}` };
    const { code, stdout, stderr } = await unseen(['start'], env).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      new RegExp(
        `^unseen: Unseen brings PostgreSQL [^\\n]*, but this is ${platform}\\. Set DATABASE_URL [^\\n]*\\n$`,
      ),
    );
    expect((await unseen(['doctor'], env).exit).stdout).toContain(`but this is ${platform}`);
  });

  it('refuses an old Node.js in one sentence', async () => {
    const disguise = `Object.defineProperty(process.versions, 'node', { value: '18.20.8' })`;
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(disguise)}` };
    const { code, stdout, stderr } = await unseen(['start'], env).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^unseen: Unseen needs Node\.js 20\.19 or newer, but this is Node\.js 18\.20\.8\.[^\n]*\n$/,
    );
  });

  it('keeps no data with --ephemeral', async () => {
    const ephemeral = unseen(['start', '--ephemeral']);
    await ephemeral.ready();
    ephemeral.child.kill('SIGTERM');
    const { code, stderr } = await ephemeral.exit;
    expect(code).toBe(0);
    expect(stderr).toMatch(/Demo +http:\S+\/demo#[\w-]{38}\n/);
    expect(stderr).toContain(
      'The demo link works once, within 10 minutes. Restart the server to get a new one.',
    );
    expect(existsSync(join(dataDir, 'auth-secret'))).toBe(false);
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it('accepts tokens of `token` and `demo` with --ephemeral if AUTH_SECRET is the same', async () => {
    const env = { AUTH_SECRET: 'x'.repeat(32), FLUSH_INTERVAL_SEC: '1' };
    const url = await unseen(['start', '--ephemeral'], env).ready();
    const { stdout } = await unseen(['token', '--user', 'alice'], env).exit;
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${stdout.trim()}` },
      body: JSON.stringify({ query: '{ viewer { userId } }' }),
    });
    expect(await response.json()).toEqual({ data: { viewer: { userId: 'alice' } } });
    const demo = await unseen(['demo', '--users', '2', '--for', '1s', '--url', url], env).exit;
    expect(demo).toMatchObject({ code: 0, stdout: expect.stringContaining('as it should be') });
    const other = await unseen(['demo', '--for', '1s', '--url', url]).exit;
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('The token is not valid.') });
  });

  it('prints a link to the demo at the start, and `unseen open` prints new links', async () => {
    const env = { PORT: String(await freePort()) };
    const server = unseen(['start'], env);
    const url = await server.ready();
    const tokenFor = async (link: string | undefined) => {
      const response = await fetch(`${url}/demo/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ code: link?.split('#')[1] }),
      });
      return [response.status, await response.text()];
    };
    const first = /http:\S+\/demo#\S+/.exec(server.stderr())?.[0];
    expect(await tokenFor(first)).toEqual([200, expect.stringContaining('"token":"')]);
    expect(await tokenFor(first)).toEqual([401, expect.stringContaining('was already used')]);

    const opened = await unseen(['open'], env).exit;
    expect(opened).toMatchObject({ code: 0, stdout: expect.stringContaining(`${url}/demo#`) });
    expect(await tokenFor(opened.stdout.trim())).toEqual([200, expect.stringContaining('"token":"')]);
    const playground = await unseen(['open', 'playground', '--url', `http://localhost:${env.PORT}`]).exit;
    expect(playground.stdout).toMatch(/^http:\/\/localhost:\d+\/playground#[\w-]{38}\n$/);
    // The log does not contain the code.
    expect(server.stdout()).not.toContain(first?.split('#')[1]);
  });

  it('prints no link if the server cannot accept links, and explains why', async () => {
    const refusal = async (env: Record<string, string>) => {
      const { code, stdout, stderr } = await unseen(['open'], env).exit;
      expect([code, stdout]).toEqual([1, '']);
      return stderr;
    };
    expect(await refusal({ AUTH_SECRET: 'x'.repeat(32) })).toMatch(
      /^unseen: AUTH_SECRET or AUTH_JWKS_URL is set/,
    );
    expect(await refusal({ NODE_ENV: 'production' })).toMatch(/NODE_ENV is production/);
    expect(await refusal({})).toMatch(/holds no secret\. Run this command with the DATA_DIR of the server/);
    expect(readdirSync(dataDir)).toEqual([]);
    await unseen(['token', '--user', 'alice']).exit;
    expect(await refusal({ PORT: String(await freePort()) })).toMatch(/^unseen: No server answers at http:/);
  });

  it('applies migrations and prints their names', async () => {
    expect((await unseen(['migrate']).exit).stdout).toMatch(/^Applied: \d+_init/);
    expect((await unseen(['migrate']).exit).stdout).toBe('The database is up to date.\n');
  });

  it('is alive and not ready while the database does not answer, logs the problem once, and stops on a signal', async () => {
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
      expect(stdout).toContain(`PostgreSQL at ${new URL(line.connectionString).host}`);
      expect(stdout).not.toContain('    at ');
    } finally {
      await line.close();
      await database.drop();
    }
  });

  it('is alive and not ready while Kafka and Redis do not answer, and logs few lines', async () => {
    const database = await createTestDatabase();
    const env = {
      DATABASE_URL: database.connectionString,
      KAFKA_BROKERS: '127.0.0.1:1',
      REDIS_URL: 'redis://127.0.0.1:1',
    };
    try {
      for (const [role, missing] of [
        ['api', ['log', 'pub/sub']],
        ['worker', ['starting']],
      ] as const) {
        const port = await freePort();
        const waitingProcess = unseen(['start'], {
          ...env,
          AUTH_SECRET: 'x'.repeat(32),
          ROLES: role,
          PORT: String(port),
        });
        const readiness = async () => {
          const response = await fetch(`http://127.0.0.1:${port}/readyz`);
          return { status: response.status, ...((await response.json()) as object) };
        };
        await vi.waitFor(
          async () => expect(await readiness()).toEqual({ status: 'not ready', missing }),
          waiting,
        );
        await delay(5_000);
        expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
        waitingProcess.child.kill('SIGTERM');
        const { code, stdout } = await waitingProcess.exit;
        expect(code).toBe(0);
        expect(stdout.split('\n').length).toBeLessThan(15);
        expect(stdout).toMatch(/"message":"[^"]*ECONNREFUSED 127\.0\.0\.1:1"/);
        expect(stdout).not.toMatch(/ECONNREFUSED.* {4}at /);
      }
    } finally {
      await database.drop();
    }
  });

  it('refuses --ephemeral with DATABASE_URL', async () => {
    const { code, stderr } = await unseen(['start', '--ephemeral'], { DATABASE_URL: 'postgresql://x/y' })
      .exit;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^unseen: --ephemeral keeps no data .*Unset DATABASE_URL, or start without --ephemeral\.\n$/,
    );
  });

  it('prints when the server is up, which backend is missing, and when the server is ready', {
    tags: ['redis'],
  }, async () => {
    const database = await createTestDatabase();
    const port = await freePort();
    const [redisDir, redisPort] = [join(dataDir, 'redis'), await freePort()];
    const server = unseen(['start'], {
      DATABASE_URL: database.connectionString,
      REDIS_URL: `redis://127.0.0.1:${redisPort}`,
      PORT: String(port),
    });
    let redis: PrivateInstance | undefined;
    try {
      const state = /is (up|ready) .*/g;
      const said = () => server.stderr().match(state) ?? [];
      await vi.waitFor(() => expect(said()).toHaveLength(1), waiting);
      expect(said()[0]).toMatch(
        /^is up after \d+\.\d s, not ready: the pub\/sub is missing \(Redis was not reached yet\)$/,
      );
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
      redis = await startRedis({ dir: redisDir, port: redisPort });
      await vi.waitFor(() => expect(said()[1]).toMatch(/^is ready after \d+\.\d s$/), waiting);
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
      server.child.kill('SIGTERM');
      expect(await server.exit).toMatchObject({ code: 0 });
    } finally {
      await redis?.stop();
      await database.drop();
    }
  });

  it.each([
    ['a node', false],
    ['a cluster', true],
  ])(
    'never prints the password that %s of Redis refuses',
    { timeout: 60_000, tags: ['redis'] },
    async (_, cluster) => {
      const redis = await startRedis({ dir: join(dataDir, 'redis'), cluster });
      const admin = new Redis(redis.url);
      await admin.config('SET', 'requirepass', 'another');
      admin.disconnect();
      try {
        const env = {
          REDIS_URL: redis.url.replace('//', '//:hunter2@'),
          REDIS_CLUSTER: cluster ? 'on' : 'off',
        };
        const server = unseen(['start'], env);
        await server.ready();
        // Redis first refuses the password of pub/sub, and then the password of the badge cache.
        await vi.waitFor(() => expect(server.stdout()).toMatch(/WRONGPASS[\s\S]*WRONGPASS/), waiting);
        const doctor = await unseen(['doctor'], env).exit;
        server.child.kill('SIGTERM');
        const { code, stdout, stderr } = await server.exit;
        expect(code).toBe(0);
        expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining('WRONGPASS') });
        expect([stdout, stderr, doctor.stdout, doctor.stderr].join('')).not.toContain('hunter2');
      } finally {
        await redis.stop();
      }
    },
  );

  it('refuses --ephemeral with Kafka, and refuses KAFKA_TOPICS with an unknown topic', async () => {
    const ephemeral = await unseen(['start', '--ephemeral'], { KAFKA_BROKERS: '127.0.0.1:1' }).exit;
    expect(ephemeral).toMatchObject({ code: 1, stderr: expect.stringContaining('Unset KAFKA_BROKERS') });
    const env = { KAFKA_BROKERS: '127.0.0.1:1', KAFKA_TOPICS: 'views=x' };
    const renamed = await unseen(['start'], env).exit;
    expect(renamed).toMatchObject({ code: 1 });
    expect(renamed.stderr).toMatch(
      /^unseen: KAFKA_TOPICS: Unseen has no topic views\. .*incoming\.user_activity/,
    );
  });

  it.each([
    ['a user that PostgreSQL does not know', (url: URL) => Object.assign(url, { username: 'nobody_here' })],
    ['a database that does not exist', (url: URL) => Object.assign(url, { pathname: '/nothing_here' })],
  ])('refuses to start with %s', async (_, change) => {
    const line = await openLine(inject('postgres').connectionString);
    const url = change(new URL(line.connectionString));
    const { code, stderr } = await unseen(['start'], { DATABASE_URL: url.href }).exit;
    await line.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^unseen: PostgreSQL refused the connection: .*Check DATABASE_URL\.\n$/);
  });

  it('reports in every command, in one sentence, that the login lacks a right', async () => {
    const database = await createTestDatabase();
    const login = `unseen_stranger_${crypto.randomUUID().slice(0, 8)}`;
    const administrate = (sql: string) =>
      withClient(database.connectionString, (client) => client.query(sql));
    await administrate(`CREATE ROLE ${login} LOGIN`);
    const url = Object.assign(new URL(database.connectionString), { username: login });
    const env = { DATABASE_URL: url.href };
    const lacks = (what: string) => ({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        `^unseen: The login of DATABASE_URL lacks a right: permission denied for ${what}. Run prisma/roles.sql again, or use another login.\n$`,
      ),
    });
    try {
      expect(await unseen(['start'], env).exit).toEqual(lacks('table _prisma_migrations'));
      const { code, stdout } = await unseen(['doctor'], env).exit;
      expect(code).toBe(1);
      expect(stdout).toMatch(
        /permission denied for table _prisma_migrations\n +→ Run prisma\/roles\.sql again/,
      );
      await administrate(`GRANT SELECT ON _prisma_migrations TO ${login}`);
      expect(await unseen(['start'], env).exit).toEqual(lacks('table log_in_use'));
      expect(await unseen(['dlq', 'ls'], env).exit).toEqual(lacks('table dead_letter'));
      expect(await unseen(['rebuild', 'limits'], env).exit).toEqual(lacks('table log_in_use'));
    } finally {
      await administrate(`DROP OWNED BY ${login}; DROP ROLE ${login}`);
      await database.drop();
    }
  }, 60_000);

  it('checks a running and a stopped database in doctor, and exits with 1 if a check failed', async () => {
    const database = await createTestDatabase();
    const line = await openLine(database.connectionString);
    const well = await unseen(['doctor'], { DATABASE_URL: line.connectionString }).exit;
    await line.close();
    const away = await unseen(['doctor'], { DATABASE_URL: line.connectionString }).exit;
    await database.drop();
    expect(well).toMatchObject({ code: 0, stderr: '' });
    expect(well.stdout).toMatch(
      /ok +reached in \d+ ms\n[\s\S]*ok +version \d+[\s\S]*ok +all \d+ migrations applied/,
    );
    expect(away.code).toBe(1);
    expect(away.stdout).toMatch(
      /failed +cannot be reached: .*ECONNREFUSED.*\n +→ Start it, or fix DATABASE_URL/,
    );

    const idle = await unseen(['doctor']).exit;
    expect(idle).toMatchObject({ code: 0, stdout: expect.stringContaining('not running, `unseen start`') });
    const running = unseen(['start']);
    await running.ready();
    const { code, stdout } = await unseen(['doctor', '--json']).exit;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)[0].findings[0]).toMatchObject({
      state: 'ok',
      found: expect.stringMatching(/^reached in/),
    });
  });

  it('ends the command doctor even if Kafka accepts connections and does not answer', async () => {
    const silent = createTcpServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const doctor = unseen(['doctor'], { KAFKA_BROKERS: `127.0.0.1:${port}` });
    const ended = await Promise.race([doctor.exit, delay(20_000, 'still running', { ref: false })]);
    silent.close();
    expect(ended).toMatchObject({ code: 1, stdout: expect.stringContaining('no answer within') });
  });

  it('suggests the correct name of a misspelt setting, at the start and in doctor', async () => {
    const env = { KAFKA_BROKER: 'h:1', UNSEEN_PORT: '9', RATE_LIMIT_PER_USR: '1', PORTT: '3' };
    const doctor = await unseen(['doctor'], env).exit;
    expect(doctor.code).toBe(0);
    expect(doctor.stdout).toContain(
      'environment\n  warning  KAFKA_BROKER is not a setting\n           → Did you mean KAFKA_BROKERS?\n',
    );
    expect(doctor.stdout).toContain('4 warnings');
    const server = unseen(['start', '--ephemeral'], env);
    await server.ready();
    server.child.kill('SIGTERM');
    const { stdout } = await server.exit;
    expect(stdout.match(/\w+ is not a setting: did you mean \w+\?/g)).toEqual([
      'KAFKA_BROKER is not a setting: did you mean KAFKA_BROKERS?',
      'UNSEEN_PORT is not a setting: did you mean PORT?',
      'RATE_LIMIT_PER_USR is not a setting: did you mean RATE_LIMIT_PER_USER?',
      'PORTT is not a setting: did you mean PORT?',
    ]);
  });

  it('explains how to fix an unusable data directory, at the start and in doctor', async () => {
    writeFileSync(join(dataDir, 'file'), '');
    const secret = { AUTH_SECRET: 'x'.repeat(32) };
    const database = { DATABASE_URL: inject('postgres').connectionString };
    for (const env of [{}, secret, database]) {
      for (const unusable of ['/dev/null', join(dataDir, 'file', 'data')]) {
        const there = { DATA_DIR: unusable, ...env };
        const start = await unseen(['start'], there).exit;
        expect(start).toMatchObject({ code: 1, stdout: '' });
        expect(start.stderr).toMatch(/^unseen: [^\n]*cannot[^\n]*DATA_DIR[^\n]*DATABASE_URL[^\n]*\n$/);
        const doctor = await unseen(['doctor'], there).exit;
        expect(doctor.code).toBe(1);
        expect(doctor.stdout).toMatch(/failed [^\n]*not a directory[^\n]*\n +→ [^\n]*DATA_DIR/);
      }
    }
  }, 60_000);

  it('reports an unreachable database in one sentence', async () => {
    const { code, stderr } = await unseen(['migrate'], {
      DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/x',
    }).exit;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^unseen: The database cannot be reached: .*Check DATABASE_URL\.\n$/);
    expect(stderr).not.toContain('hunter2');
  });
});

describe('the log of a database', () => {
  it('is the log of the first start, and a process with another log exits until `unseen log use` changes the log', async () => {
    const database = await createTestDatabase();
    const query = (sql: string) =>
      withClient(database.connectionString, async (client) => (await client.query(sql)).rows);
    const table = { DATABASE_URL: database.connectionString };
    const kafka = { ...table, KAFKA_BROKERS: '127.0.0.1:1' };
    const elsewhere = { ...kafka, NAMESPACE: 'shop.' };
    const run = (args: string, env: Record<string, string>) => unseen(args.split(' '), env).exit;
    const difference = (used: string, configured: string) =>
      expect.stringMatching(
        `This database is used with ${used}, but this process is configured to use ${configured}`,
      );
    const inTable = '.*its own table.*no KAFKA_BROKERS.*';
    const inKafka = '.*Kafka.*no NAMESPACE.*';
    try {
      // The process has recorded its log in the database, although it still waits for Kafka.
      const first = unseen(['start'], kafka);
      const bound = [{ id: 1, kind: 'kafka', namespace: '' }];
      await vi.waitFor(async () => expect(await query('SELECT * FROM log_in_use')).toEqual(bound), waiting);
      first.child.kill('SIGTERM');
      await first.exit;

      const refused = { code: 1, stderr: difference(inKafka, inTable) };
      expect(await run('start', table)).toMatchObject(refused);
      expect(await run('rebuild limits', table)).toMatchObject(refused);
      expect(await run(`import limits ${limitFixtureFile}`, table)).toMatchObject(refused);
      expect(await run('start', elsewhere)).toMatchObject({
        code: 1,
        stderr: difference(inKafka, '.*Kafka.*NAMESPACE=shop[.].*'),
      });
      expect(await query('SELECT FROM event_log')).toEqual([]);
      expect(await run('doctor', table)).toMatchObject({ code: 1, stdout: difference(inKafka, inTable) });
      expect((await run('doctor', kafka)).stdout).toMatch(/ok +used with the log in Kafka/);

      const uncounted = { code: 1, stderr: expect.stringContaining('unknown without KAFKA_BROKERS') };
      expect(await run('log use postgres', table)).toMatchObject(uncounted);
      expect(await run('log use postgres --leave-unread', table)).toMatchObject({ code: 0, stderr: '' });
      expect(await run('start', kafka)).toMatchObject({ code: 1, stderr: difference(inTable, inKafka) });
      const second = unseen(['start'], table);
      await second.ready();
      second.child.kill('SIGTERM');
      expect(await second.exit).toMatchObject({ code: 0 });
      await query(`WITH head AS (UPDATE log_head SET head = head + 1 RETURNING head)
        INSERT INTO event_log ("offset", topic, key, value, appended_at)
        SELECT head, 'any', 'default/alice', '{}', now() FROM head`);
      expect(await run('log use kafka', table)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('Set KAFKA_BROKERS'),
      });
      expect(await run('log use kafka', kafka)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^unseen: Records that no worker has read in .*own table.*: 1\. Let workers/,
        ),
      });
      const moved = await run('log use kafka --leave-unread', kafka);
      expect(moved).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/from now on\. Records .*: 1\.\n$/),
      });
      expect(await run('log use kafka', kafka)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('already'),
      });
    } finally {
      await database.drop();
    }
  }, 120_000);
});

describe('unseen dlq', () => {
  const dlq = (...args: string[]) => unseen(['dlq', ...args]).exit;
  const good = { code: 0, stderr: '' };

  /** Runs SQL on the database of the data directory while a server owns it. */
  async function query<Row extends object>(sql: string, values: unknown[] = []): Promise<readonly Row[]> {
    const running = findEmbeddedPostgres(dataDir);
    if (!running) throw new Error('no server is running');
    return withClient(
      connectionStringOf(running),
      async (client) => (await client.query<Row>(sql, values)).rows,
    );
  }

  /** Appends a record to the log that is not an event of Unseen. */
  const poison = (value: string) =>
    query(
      `WITH head AS (UPDATE log_head SET head = head + 1 RETURNING head)
       INSERT INTO event_log ("offset", topic, raw, headers, appended_at)
       SELECT head, 'incoming.user_activity', $1, '{}', now() FROM head`,
      [Buffer.from(value)],
    );
  const idsIn = (table: string) => [...table.matchAll(/^[0-9a-f-]{36}/gm)].map(([id]) => id);

  it('lists, shows and retries dead letters while the server runs and after it has stopped', async () => {
    const server = unseen(['start']);
    await server.ready();
    expect(await dlq('ls')).toEqual({ ...good, stdout: 'No dead letters.\n' });
    expect(await dlq('retry', '--all')).toEqual({ ...good, stdout: 'No dead letters.\n' });
    await poison('first \u001b[31m');
    await poison('second');
    await query("SELECT pg_notify('unseen_log', '')");
    await vi.waitFor(async () => expect(await query('SELECT FROM dead_letter')).toHaveLength(2), {
      timeout: 10_000,
    });

    const { stdout: table, ...rest } = await dlq('ls');
    expect(rest).toEqual(good);
    expect(table).toMatch(
      /^ID +FAILED AT +TOPIC\/PARTITION\/OFFSET +CODE +MESSAGE\n(\S{36} {2}\S{24} {2}incoming.user_activity\/0\/\d {2}MALFORMED_EVENT {2}not JSON\n){2}$/,
    );
    const [second = '', first = ''] = idsIn(table);
    expect(await dlq('ls', '--limit', '1')).toMatchObject({
      code: 0,
      stderr: 'Listed the newest 1 dead letter. Raise --limit to list more.\n',
    });
    expect((await dlq('ls', '--topic', 'other')).stdout).toBe('No dead letters.\n');
    expect((await dlq('ls', '--code', 'USER_NOT_FOUND')).stdout).toBe('No dead letters.\n');
    expect(JSON.parse((await dlq('ls', '--json')).stdout)).toMatchObject([
      {
        id: second,
        topic: 'incoming.user_activity',
        partition: 0,
        payload: 'second',
        attempts: 1,
        tenantId: '',
      },
      { id: first, payload: 'first \u001b[31m' },
    ]);
    const shown = await dlq('show', first);
    expect(shown).toMatchObject(good);
    expect(shown.stdout).toMatch(
      /^id +\S{36}\n[\s\S]*\nerror message +not JSON\nattempts +1\npayload\nfirst \\u\{1b\}\[31m\n$/,
    );

    const unknown = '00000000-0000-7000-8000-000000000000';
    expect(await dlq('show', unknown)).toEqual({
      code: 1,
      stdout: '',
      stderr: `unseen: No dead letter has the id ${unknown}.\n`,
    });
    expect(await dlq('retry', first, unknown)).toEqual({
      code: 1,
      stdout: 'Retried 1 dead letter. A worker appends retried events to the log again.\n',
      stderr: `unseen: No dead letter has the id ${unknown}.\n`,
    });
    await vi.waitFor(async () => expect(await query('SELECT FROM dead_letter')).toHaveLength(2), {
      timeout: 10_000,
    });

    server.child.kill('SIGTERM');
    expect(await server.exit).toMatchObject({ code: 0 });
    const left = idsIn((await dlq('ls')).stdout);
    expect(left).toHaveLength(2);
    expect(left).not.toContain(first);
    expect((await dlq('retry', '--all', '--topic', 'other')).stdout).toBe('No dead letters.\n');
    expect(await dlq('retry', '--all')).toEqual({
      ...good,
      stdout: 'Retried 2 dead letters. A worker appends retried events to the log again.\n',
    });
    expect((await dlq('ls')).stdout).toBe('No dead letters.\n');
    // The next start appends the retried records to the log, and the records fail again.
    const again = unseen(['start']);
    await again.ready();
    await vi.waitFor(async () => expect(await query('SELECT FROM dead_letter')).toHaveLength(2), {
      timeout: 10_000,
    });
  }, 120_000);

  it.each([
    [['show', 'x'], /unseen dlq ls/],
    [['show'], /missing required argument 'id'/],
    [['retry'], /name the ids of dead letters, or use --all/],
    [['retry', '00000000-0000-7000-8000-000000000000', '--all'], /or use --all/],
    [['retry', '--topic', 'a', '00000000-0000-7000-8000-000000000000'], /--topic requires --all/],
    [['ls', '--limit', '0'], /1 to 1000/],
    [['ls', '--limit', '1001'], /1 to 1000/],
  ])('refuses %j in one sentence and starts nothing', async (args, message) => {
    const { code, stdout, stderr } = await dlq(...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it('reports an unreachable or outdated database in one sentence', async () => {
    const away = await unseen(['dlq', 'ls'], { DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/x' }).exit;
    expect(away).toMatchObject({ code: 1, stdout: '' });
    expect(away.stderr).toMatch(/^unseen: The database cannot be reached: .*Check DATABASE_URL\.\n$/);
    expect(away.stderr).not.toContain('hunter2');
    const { connectionString } = inject('postgres');
    for (const command of ['dlq ls', 'sweep --dry-run', 'rebuild limits --dry-run', 'import users 1..2']) {
      const empty = await unseen(command.split(' '), { DATABASE_URL: connectionString }).exit;
      expect(empty).toMatchObject({ code: 1, stdout: '' });
      expect(empty.stderr).toMatch(/^unseen: \d+ migrations are not applied. Run `unseen migrate`.*\n$/);
    }
  });
});

describe('unseen import users', () => {
  const importUsers = (...args: string[]) => unseen(['import', 'users', ...args]);

  it('explains ranges and files in its help', async () => {
    const { code, stdout } = await importUsers('--help').exit;
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /FIRST\.\.LAST[\s\S]*--can-receive[\s\S]*--time-zone[\s\S]*"userId": "alice"[\s\S]*Examples:/,
    );
  });

  it('imports ranges, files and standard input, and reports progress and refused lines', async () => {
    const range = await importUsers('1..25000', '--time-zone', 'Europe/Berlin', '--tenant', 'acme').exit;
    expect(range).toEqual({
      code: 0,
      stdout: 'created 25000, updated 0, refused 0 lines\n',
      stderr: '10000 users so far\n20000 users so far\n',
    });
    const again = await importUsers('24999..25001', '--tenant', 'acme', '--can-receive', 'null').exit;
    expect(again).toMatchObject({ code: 0, stdout: 'created 1, updated 2, refused 0 lines\n' });
    const file = join(dataDir, 'users.jsonl');
    writeFileSync(file, '{"userId": "alice"}\nnonsense\n{"userId": "bob", "timeZone": null}\n');
    expect(await importUsers(file, '--can-receive', 'false').exit).toEqual({
      code: 1,
      stdout: 'created 2, updated 0, refused 1 line\n',
      stderr: 'unseen: line 2: not JSON\n',
    });
    const piped = importUsers('-');
    piped.child.stdin.end('{"userId": "alice", "canReceiveNotifications": true}\n{"userId": "carol"}');
    expect(await piped.exit).toEqual({
      code: 0,
      stdout: 'created 1, updated 1, refused 0 lines\n',
      stderr: '',
    });
  }, 120_000);

  it.each([
    [[], /missing required argument 'source'/],
    [['5..1'], /the range 5\.\.1 ends before it begins/],
    [['no-such-file.jsonl'], /no-such-file\.jsonl cannot be read: ENOENT/],
    [['1..2', '--time-zone', 'Mars/Base'], /an IANA time zone/],
    [['1..2', '--can-receive', 'maybe'], /Allowed choices are true, false, null/],
    [['1..2', '--tenant', 'a/b'], /1 to 64 of/],
  ])('refuses %j in one sentence and starts nothing', async (args, message) => {
    const { code, stdout, stderr } = await importUsers(...args).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(readdirSync(dataDir)).toEqual([]);
  });
});

describe('unseen import limits', () => {
  const importLimits = (...args: string[]) => unseen(['import', 'limits', ...args]);

  it('prints help', async () => {
    const { code, stdout } = await importLimits('--help').exit;
    expect(code).toBe(0);
    expect(stdout).toMatch(/JSON array[\s\S]*--tenant[\s\S]*run the import again[\s\S]*Examples:/);
  });

  it('imports a file twice in different orders while the server applies the events', async () => {
    const server = unseen(['start'], { LOG_LEVEL: 'silent' });
    await server.ready();
    const { accepted, ignored, invalid } = limitFixtureCounts;
    const summary = `accepted ${accepted}, ignored ${ignored} of other types, ${invalid} invalid\n`;
    expect(await importLimits(limitFixtureFile).exit).toEqual({
      code: 1,
      stdout: summary,
      stderr: expect.stringMatching(/^unseen: event 15 \(\w{20}\): payload\.amount: must be digits[^\n]*\n$/),
    });
    const again = importLimits('-');
    again.child.stdin.end(JSON.stringify(shuffled(limitFixture)));
    expect(await again.exit).toMatchObject({ code: 1, stdout: summary });
    const running = findEmbeddedPostgres(dataDir);
    if (!running) throw new Error('The server runs no database.');
    const database = connect({ ...running, ssl: false }, { maxConnections: 2 });
    const store = createPostgresStore(database);
    try {
      await vi.waitFor(async () => {
        const limits = await limitsOf(
          store,
          limitFixtureUsers.map((userId) => ({ tenantId: 'default', userId })),
        );
        expect(limits.map(limitLine)).toEqual(limitFixtureTable);
      }, waiting);
    } finally {
      await store.close();
    }
  }, 120_000);

  it.each([
    [[], /missing required argument 'file'/],
    [['no-such-file.json'], /no-such-file\.json cannot be read: ENOENT/],
    [['x.json', '--tenant', 'a/b'], /1 to 64 of/],
  ])('refuses %j in one sentence and starts nothing', async (args, message) => {
    const { code, stdout, stderr } = await importLimits(...args).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it('reports how many events precede the point where a file becomes unreadable', async () => {
    const file = join(dataDir, 'cut-off.json');
    writeFileSync(file, JSON.stringify(limitFixture).slice(0, -30));
    const { code, stdout, stderr } = await importLimits(file).exit;
    expect({ code, stdout }).toMatchObject({ code: 1, stdout: expect.stringMatching(/^accepted 16, /) });
    expect(stderr).toMatch(/cannot be read any further: the array is cut off\. The 21 events before/);
    expect(stderr).not.toMatch(/\n\s+at /);
  }, 60_000);
});

describe('unseen sweep', () => {
  it('counts expired data in a dry run, and removes expired data otherwise', async () => {
    const database = await createTestDatabase();
    const env = { DATABASE_URL: database.connectionString };
    const letters = async () =>
      withClient(database.connectionString, (client) => client.query('SELECT FROM dead_letter'));
    try {
      await withClient(database.connectionString, (client) =>
        client.query(`INSERT INTO dead_letter (tenant_id, id, topic, partition, "offset", payload, error_code, error_message,
          attempts, failed_at) SELECT '', gen_random_uuid(), 't', 0, n, '', 'X', 'x', 1, now() - n * interval '40 days'
          FROM generate_series(1, 5) AS n`),
      );
      const dryRun = await unseen(['sweep', '--dry-run'], env).exit;
      expect(dryRun).toMatchObject({ code: 0, stderr: 'Nothing was removed.\n' });
      expect(dryRun.stdout).toMatch(/^kind +kept +older than +would remove\n/);
      expect(dryRun.stdout).toMatch(/^dead letters +90 days +\d{4}-\d\d-\d\d +3$/m);
      expect((await letters()).rowCount).toBe(5);
      const done = await unseen(['sweep'], env).exit;
      expect(done.stdout).toMatch(/^dead letters +90 days +\d{4}-\d\d-\d\d +3$/m);
      expect((await letters()).rowCount).toBe(2);
    } finally {
      await database.drop();
    }
  });

  it('sweeps all other kinds of data if one kind fails, names the failed kind, and lets doctor warn after two days', async () => {
    const database = await createTestDatabase();
    const env = { DATABASE_URL: database.connectionString };
    const query = (sql: string) => withClient(database.connectionString, (client) => client.query(sql));
    try {
      await query(`SELECT create_page_view_partition('2020-01-01');
        CREATE VIEW needed AS SELECT * FROM page_view_2020_01;
        INSERT INTO idempotency_key (tenant_id, caller, mutation, key, digest, created_at)
          VALUES ('default', 'c', 'm', 'k', 'd', '2020-01-01')`);
      const { code, stdout, stderr } = await unseen(['sweep'], env).exit;
      expect(code).toBe(1);
      expect(stdout).toMatch(/^page views, months .* failed$/m);
      expect(stdout).toMatch(/^idempotency keys .* 1$/m);
      expect(stderr).toMatch(/^unseen: page views, months: cannot drop table page_view_2020_01 because/);
      expect(stderr.trim().split('\n')).toHaveLength(1);

      const well = await unseen(['doctor'], env).exit;
      expect(well.stdout).toMatch(/all \d+ kinds of old data are swept/);
      await query(`UPDATE sweep SET since = '2026-01-01' WHERE kind = 'pageViews'`);
      const late = await unseen(['doctor'], env).exit;
      expect(late.code).toBe(0);
      expect(late.stdout).toContain('warning  not swept: pageViews since 2026-01-01T00:00:00.000Z');

      await query('DROP VIEW needed');
      expect(await unseen(['sweep'], env).exit).toMatchObject({ code: 0, stderr: '' });
      expect((await unseen(['doctor'], env).exit).stdout).toMatch(/all \d+ kinds of old data are swept/);
    } finally {
      await database.drop();
    }
  }, 60_000);
});

describe('unseen rebuild', () => {
  it('reports a difference, repairs the difference, and then reports no difference', async () => {
    const database = await createTestDatabase();
    const env = { DATABASE_URL: database.connectionString };
    const today = new Date().toISOString().slice(0, 10);
    try {
      await withClient(database.connectionString, (client) =>
        client.query(`INSERT INTO user_activity_metrics VALUES ('default', 'DAY', '${today}', 3, 7, 1, now());
          INSERT INTO app_user (tenant_id, user_id, created_at) VALUES ('default', 'alice', now());
          INSERT INTO user_limit (tenant_id, user_id, user_limit_id, brand_id, type, period, status, amount, previous_progress,
            change_sequence, change_event, version, updated_at)
          VALUES ('default', 'alice', 'bare', 'b', 'BET', 'DAY', 'ACTIVE', 1, 0, 4, 'x/y', 1, now())`),
      );
      const dryRun = await unseen(['rebuild', 'metrics', '--from', today, '--dry-run'], env).exit;
      expect(dryRun).toEqual({
        code: 0,
        stdout: '1 day: 1 difference; nothing was changed.\n',
        stderr: `${today}  1 bucket (7 page views in the metrics, 0 counted), 0 types, 0 users missing, 0 too many\n`,
      });
      const repair = await unseen(['rebuild', 'metrics', '--from', today], env).exit;
      expect(repair.stdout).toBe('1 day: 1 difference, repaired.\n');
      const again = await unseen(['rebuild', 'metrics', '--from', today], env).exit;
      expect(again).toEqual({ code: 0, stdout: '1 day: no differences.\n', stderr: '' });
      expect((await unseen(['rebuild', 'badges'], env).exit).stdout).toBe('0 badges: no differences.\n');
      expect(await unseen(['rebuild', 'limits'], env).exit).toEqual({
        code: 0,
        stdout: '1 limit: no differences. Skipped 1 limit whose events are not stored or cannot be read.\n',
        stderr: '1 limit checked, 0 differences so far\n',
      });
    } finally {
      await database.drop();
    }
  }, 60_000);

  it.each([
    [['cake'], /Allowed choices are metrics, badges, limits/],
    [['limits', '--from', '2026-11-20'], /--from and --to apply only to metrics/],
    [['metrics', '--from', '2026-02-30'], /a day that exists/],
    [['metrics', '--from', 'yesterday'], /a day such as/],
  ])('refuses %j in one sentence', async (args, message) => {
    const { code, stdout, stderr } = await unseen(['rebuild', ...args]).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

describe('unseen replay', () => {
  it.each([
    [
      ['--topic', 'incoming.user_activity', '--from', new Date().toISOString().slice(0, 10)],
      {},
      /The log is a table/,
    ],
    [
      ['--topic', 'incoming.user_activity', '--from', '2020-01-01'],
      { KAFKA_BROKERS: '127.0.0.1:1' },
      /recognises events for 30 days/,
    ],
    [['--topic', 'cake', '--from', '2020-01-01'], {}, /Allowed choices are incoming.user_activity/],
    [['--topic', 'incoming.user_activity'], {}, /--from <day>' not specified/],
  ])('refuses %j with %j in one sentence', async (args, env, message) => {
    const { code, stdout, stderr } = await unseen(['replay', ...args], env).exit;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
  });
});
