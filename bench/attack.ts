import { type ChildProcess, fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SignJWT } from 'jose';
import { type Attack, attacks, type Target } from './load/attacks.ts';
import { percentile } from './statistics.ts';

const help = `npx tsx bench/attack.ts [options] [ATTACK...]

Runs attacks against a server. Measures another user meanwhile, who asks for a badge 50 times a second. Starts dist/main.js
with its own embedded PostgreSQL, so run the build first. The settings are the defaults, but no quota ends an attack early.

  --seconds N     length of an attack (default 10)
  --dist PATH     another build, for comparison (default dist)
  --tenant ID     tenant of the measured user (default "elsewhere"; the attackers are in the tenant "default")
  --url URL       attack a running server, whose AUTH_SECRET is in the environment
  ATTACK          ${Object.keys(attacks).join(', ')} (default: all)`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    dist: { type: 'string', default: fileURLToPath(new URL('../dist', import.meta.url)) },
    tenant: { type: 'string', default: 'elsewhere' },
    url: { type: 'string' },
    help: { type: 'boolean', default: false },
    /**
     * Runs the attack in this process. The bench runs attacks in a separate process, so that an attack does
     * not slow the process that measures.
     */
    attacker: { type: 'boolean', default: false },
  },
});
const secret = process.env['AUTH_SECRET'] ?? randomBytes(32).toString('hex');
const agent = new Agent({ keepAlive: true });
const pageViews = 38_400;

const tokenOf = (subject: string, role = 'user', tenant = 'default') =>
  new SignJWT({ role, tenant })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setExpirationTime('2h')
    .sign(new TextEncoder().encode(secret));

const targetAt = (url: string): Target => ({ url, tokenOf, send: (token, body) => send(url, token, body) });

function send(url: string, token: string, body: object) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const sent = request(`${url}/graphql`, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      );
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

/** Starts the built server with an empty data directory. */
async function startServer(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'unseen-attack-'));
  const settings = {
    AUTH_SECRET: secret,
    DATA_DIR: dataDir,
    PORT: '0',
    LOG_LEVEL: 'info',
    QUOTA_PER_USER: '0',
  };
  const server = spawn(process.execPath, [join(values.dist, 'main.js'), 'start'], {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    let output = '';
    server.stderr.on('data', (chunk) => {
      output += chunk;
      const found = /http:\/\/[\w.]+:\d+/.exec(output)?.[0];
      if (found) resolve(found);
    });
    server.once('exit', (code) => reject(new Error(`The server ended with ${code}: ${output}`)));
  });
  return {
    url,
    async stop() {
      server.kill();
      await new Promise((resolve) => server.once('exit', resolve));
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/**
 * Records page views of the last days for the attack's users, and waits until the worker has applied them.
 */
async function seed({ url, tokenOf }: Target, users: Attack['users']): Promise<void> {
  const query =
    'mutation ($input: RecordPageViewsInput!) { recordPageViews(input: $input) { userErrors { message } } }';
  const now = Date.now();
  for (const { userId, tenantId } of users) {
    const token = await tokenOf('seed', 'service', tenantId);
    const count = pageViews / users.length;
    for (let from = 0; from < count; from += 500) {
      const views = Array.from({ length: Math.min(500, count - from) }, (_, n) => ({
        userId,
        name: `page ${(from + n) % 50}`,
        occurredAt: new Date(now - ((from + n) / count) * 6 * 86_400_000).toISOString(),
      }));
      const { status, text } = await send(url, token, { query, variables: { input: { views } } });
      if (status !== 200) throw new Error(`The server answered seeding with ${status}: ${text}`);
    }
  }
  while ((await metric(url, 'unseen_log_lag_records')) > 0) await delay(100);
}

/**
 * Measures the answers for one user, who asks for the badge at a fixed rate, even while earlier requests are
 * open. At the same time a service sends notifications to this user.
 */
async function measureOther({ url, tokenOf }: Target, seconds: number) {
  const token = await tokenOf('other', 'user', values.tenant);
  const service = await tokenOf('service', 'service', values.tenant);
  const notify =
    'mutation { sendNotification(input: { userId: "other", content: { title: "x" } }) { notificationId } }';
  const badge = async () =>
    JSON.parse((await send(url, token, { query: '{ viewer { badge { unseen } } }' })).text).data.viewer.badge
      .unseen as number;
  const before = await badge();
  const times: number[] = [];
  const waiting: Promise<void>[] = [];
  const failed: Record<string, number> = {};
  let sent = 0;
  let lag = 0;
  const start = performance.now();
  for (let n = 0; n < seconds * 50; n += 1) {
    await delay(start + n * 20 - performance.now());
    const at = start + n * 20;
    waiting.push(
      send(url, token, { query: '{ viewer { badge { unseen } } }' }).then(({ status }) => {
        times.push(performance.now() - at);
        if (status !== 200) failed[status] = (failed[status] ?? 0) + 1;
      }),
    );
    if (n % 50 !== 0) continue;
    waiting.push(
      metric(url, 'unseen_log_lag_records').then((value) => {
        lag = Math.max(lag, value);
      }),
      send(url, service, { query: notify }).then(({ text }) => {
        if (text.includes('"notificationId":"')) sent += 1;
      }),
    );
  }
  await Promise.all(waiting);
  // The worker applies acknowledged notifications within a second.
  await delay(1_000);
  return { times: times.sort((a, b) => a - b), failed, sent, applied: (await badge()) - before, lag };
}

function startAttacker(url: string, name: string, seconds: number): ChildProcess {
  const argv = ['--attacker', '--url', url, '--seconds', String(seconds), name];
  return fork(fileURLToPath(import.meta.url), argv, { env: { ...process.env, AUTH_SECRET: secret } });
}

async function attack(target: Target, name: string, seconds: number): Promise<void> {
  const { users } = attacks[name] as Attack;
  await seed(target, users);
  await measureOther(target, 1);
  const attacker = startAttacker(target.url, name, seconds + 2);
  const answered = new Promise<object>((resolve) => attacker.once('message', resolve as () => void));
  await delay(1_000);
  const { times, failed, sent, applied, lag } = await measureOther(target, seconds);
  const ms = (share: number) => percentile(times, share).toFixed(1);
  const row = [
    ...[name, ms(0.5), ms(0.99), times.at(-1)?.toFixed(1), JSON.stringify(failed)],
    ...[`${applied} of ${sent}`, lag, JSON.stringify(await answered)],
  ];
  console.log(`| ${row.join(' | ')} |`);
}

async function main(): Promise<void> {
  const names = positionals.length > 0 ? positionals : Object.keys(attacks);
  const seconds = Number(values.seconds);
  if (values.attacker) {
    const { run } = attacks[names[0] as string] as Attack;
    const counts = await run(targetAt(values.url as string), performance.now() + seconds * 1000);
    process.send?.(counts, () => process.exit(0));
    return;
  }
  const titles = [
    'attack',
    'p50 ms',
    'p99 ms',
    'max ms',
    'failed',
    'applied',
    'lag',
    'answers to the attacker',
  ];
  console.log(`| ${titles.join(' | ')} |\n|${' --- |'.repeat(titles.length)}`);
  for (const name of names) {
    const server = values.url === undefined ? await startServer() : undefined;
    try {
      await attack(targetAt(values.url ?? (server?.url as string)), name, seconds);
    } finally {
      await server?.stop();
    }
  }
  process.exit();
}

if (values.help) console.log(help);
else await main();
