import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, vi } from 'vitest';

/** How long a test waits for an asynchronous effect. */
export const patience = { timeout: 30_000, interval: 20 };

export const secret = 'a-secret-for-tests-of-at-least-32-characters';

/** The program as a separate process. */
export interface Program {
  readonly pid: number;
  readonly url: string;
  isRunning(): boolean;
  /** Returns the log so far. */
  log(): string;
  /** Sends a signal. Resolves with the exit code, or null if the signal killed the process. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  signal(signal: NodeJS.Signals): void;
  readonly exited: Promise<number | null>;
}

/** Returns a port that is not in use. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts the program with these settings and the defaults below. Resolves when the program is ready. */
export async function startProgram(
  env: Readonly<Record<string, string>>,
  { entry = ['.build/main.js', 'start'] }: { readonly entry?: readonly string[] } = {},
): Promise<Program> {
  const child = spawn(process.execPath, entry, {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      AUTH_SECRET: secret,
      LOG_LEVEL: 'info',
      RATE_LIMIT_PER_USER: '0',
      ...env,
    },
  });
  let log = '';
  let banner = '';
  child.stdout.on('data', (chunk) => {
    log += chunk;
  });
  child.stderr.on('data', (chunk) => {
    banner += chunk;
  });
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  await vi.waitFor(() => {
    if (!isRunning()) throw new Error(`the program ended: ${banner} ${log}`);
    expect(banner).toContain('is ready after');
  }, patience);
  return {
    pid: child.pid as number,
    url: /(http:\S+?)\/readyz/.exec(banner)?.[1] as string,
    isRunning,
    log: () => log,
    signal: (signal) => void child.kill(signal),
    exited,
    end(signal) {
      child.kill(signal);
      return exited;
    },
  };
}
