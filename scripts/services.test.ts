import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { down, ensureServices, type Options, status } from './services/lifecycle.ts';
import { identify } from './services/process.ts';
import { type ServiceName, serviceNames, variableOf, whyNotReady } from './services/service.ts';

let directory: string;
let options: Options;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'unseen-services-'));
  options = { directory, env: {}, docker: false, report: () => undefined, only: ['redis'] };
});

afterEach(async () => {
  await down({ ...options, only: serviceNames, purge: true });
  rmSync(directory, { recursive: true });
});

describe('npm run services', { tags: ['redis'] }, () => {
  it('starts all services, finds them again and stops them', {
    timeout: 180_000,
    tags: ['kafka', 'postgres'],
  }, async () => {
    expect(await services('status')).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^(.* not running\n){3}$/),
    });

    const first = await services('up');
    expect(first).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^(export [A-Z_]+='[^']+'\n){3}$/),
    });
    for (const name of serviceNames) {
      const url = first.output.match(new RegExp(`${variableOf[name]}='(.*)'`))?.[1] ?? '';
      expect(await whyNotReady(name, url)).toBeUndefined();
    }

    const running = await services('status');
    expect(running).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^(.* process \d+ {2}ready\n){3}$/),
    });
    expect(running.output).not.toContain(passwordIn(first.output));
    expect(await services('up')).toEqual({ code: 0, output: first.output });
    expect(await services('status')).toEqual(running);

    expect(await services('down')).toMatchObject({ code: 0 });
    expect(await services('status')).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^(.* not running\n){3}$/),
    });
    const pids = [...running.output.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
    expect(pids.map(identify)).toEqual([undefined, undefined, undefined]);
    expect(await services('down')).toMatchObject({ code: 0 });

    const again = await services('up', '--only', 'postgres');
    expect(passwordIn(again.output)).toBe(passwordIn(first.output));
    expect(await services('down', '--purge')).toMatchObject({ code: 0 });
    expect(existsSync(join(directory, 'postgres'))).toBe(false);
  });

  it('starts each service once for concurrent calls', async () => {
    const urls = await Promise.all([1, 2, 3].map(() => ensureServices(options)));
    expect(urls).toEqual([urls[0], urls[0], urls[0]]);
  });

  it('uses a configured service that answers, and writes no file', async () => {
    const env = await ensureServices(options);
    const other = join(directory, 'other');
    expect(await ensureServices({ ...options, env, directory: other })).toEqual(env);
    expect(await status({ ...options, env, directory: other })).toMatchObject([{ by: 'environment' }]);
    expect(await down({ ...options, env, directory: other })).toEqual([]);
    expect(existsSync(other)).toBe(false);
    expect(await status(options)).toMatchObject([{ by: 'system', problem: undefined }]);
  });

  it('starts a service if the configured service does not answer, and reports this', async () => {
    const report = vi.fn();
    const env = { REDIS_URL: 'redis://127.0.0.1:1' };
    expect(await ensureServices({ ...options, env, report })).not.toEqual(env);
    expect(report).toHaveBeenCalledWith(expect.stringMatching(/^redis: REDIS_URL .* ECONNREFUSED/));
  });

  it('neither uses nor stops another process that has the recorded process id', async () => {
    await ensureServices(options);
    const record = join(directory, 'redis', 'process');
    const bystander = spawn('sleep', ['1000']);
    try {
      const ours = await pidOf('redis');
      writeFileSync(record, readFileSync(record, 'utf8').replace(String(ours), String(bystander.pid)));
      expect(await status(options)).toEqual([undefined]);
      expect(await down(options)).toEqual([]);
      expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
      // `down` does not find our Redis through the changed record, so the test must end our Redis.
      process.kill(ours, 'SIGKILL');
      await ensureServices(options);
      expect(await status(options)).toMatchObject([{ by: 'system', problem: undefined }]);
    } finally {
      bystander.kill();
    }
  });

  it('restarts a service that was killed or has a damaged record', async () => {
    await ensureServices(options);
    process.kill(await pidOf('redis'), 'SIGKILL');
    await ensureServices(options);
    await down(options);
    for (const file of ['instance.json', 'process']) writeFileSync(join(directory, 'redis', file), '{"url');
    await ensureServices(options);
    expect(await status(options)).toMatchObject([{ by: 'system', problem: undefined }]);
  });

  it('waits for a program that is about to write its record', async () => {
    await ensureServices(options);
    const redis = await pidOf('redis');
    const record = join(directory, 'redis', 'process');
    const written = readFileSync(record);
    writeFileSync(record, '');
    setTimeout(() => writeFileSync(record, written), 100);
    await ensureServices(options);
    expect(await pidOf('redis')).toBe(redis);
  });

  it('finds the services that a killed `up` started, and takes over its lock', {
    timeout: 60_000,
    tags: ['postgres'],
  }, async () => {
    const killed = start('up', '--only', 'redis,postgres');
    await vi.waitFor(() => expect(existsSync(join(directory, 'postgres', 'data'))).toBe(true), {
      timeout: 30_000,
    });
    killed.kill('SIGKILL');
    expect(existsSync(join(directory, 'lock'))).toBe(true);
    const redis = await pidOf('redis');
    await ensureServices({ ...options, only: ['redis', 'postgres'] });
    expect(await pidOf('redis')).toBe(redis);
    expect(await down({ ...options, only: serviceNames })).toEqual(['redis', 'postgres']);
  });
});

it('refuses unknown commands and services', async () => {
  expect(await services('up', '--only', 'mysql')).toMatchObject({ code: 1, output: '' });
  expect(await services('sideways')).toMatchObject({ code: 1, output: '' });
  expect(await services('--help')).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^Usage: npm run services/),
  });
});

/** Starts the command as a user does. */
function start(...args: readonly string[]): ChildProcess {
  const script = fileURLToPath(new URL('services.ts', import.meta.url));
  const { KAFKA_BROKERS, REDIS_URL, DATABASE_URL, ...env } = process.env;
  return spawn(process.execPath, ['--import', 'tsx', script, ...args, '--no-docker', '--dir', directory], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

async function services(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = start(...args);
  const output = child.stdout === null ? '' : await text(child.stdout);
  await vi.waitFor(() => expect(child.exitCode).not.toBeNull());
  return { code: child.exitCode, output };
}

async function pidOf(name: ServiceName): Promise<number> {
  const [service] = await status({ ...options, only: [name] });
  if (service?.pid === undefined) throw new Error(`${name} is not running`);
  return service.pid;
}

const passwordIn = (output: string) => /unseen:(\w{32})@/.exec(output)?.[1] ?? 'no password';
