import { type Command, Option } from 'commander';
import { AppError } from '../domain/error.ts';
import { between, duration } from './arguments.ts';
import { demoSummary, runDemo, settledChecks } from './demo-traffic.ts';
import { urlOf } from './server-url.ts';

export function register(program: Command): void {
  program
    .command('demo')
    .description(
      'Send the traffic of a small web site to a running server, in a tenant of its own, and check the counters at the end.',
    )
    .option('--users <number>', 'how many visitors, 1 to 500', between(1, 500), 50)
    .option('--rate <number>', 'events per second, 1 to 1000', between(1, 1_000), 20)
    .addOption(
      new Option('--for <duration>', 'how long, for example 30s or 2m')
        .argParser(duration)
        .default(duration('2m'), '2m'),
    )
    .option('--url <url>', 'the address of the server (default: the address in HOST and PORT)')
    .action(demo);
}

async function demo(options: { users: number; rate: number; for: number; url?: string }): Promise<void> {
  const { readConfig } = await import('../config/config.ts');
  const { createToken } = await import('../runtime/auth.ts');
  const config = readConfig();
  const url = options.url ?? urlOf(config);
  const tenantId = `demo-${Date.now()}`;
  const token = await createToken(config, { subject: 'demo', role: 'service', tenantId, expiresIn: '1d' });
  console.error(`Sending traffic of tenant ${tenantId} to ${url}`);
  const failed = (cause: unknown) => {
    const reason =
      cause instanceof TypeError
        ? 'no server answers. Start one with `unseen start`, or name its address with --url.'
        : (cause as Error).message;
    throw new AppError('START_REFUSED', `The demo on ${url} failed: ${reason}`, { cause });
  };
  const traffic = { ...options, url, token, forMs: options.for, limitThresholds: config.limitThresholds };
  const run = await runDemo(traffic, progressBar()).catch(failed);
  if (process.stderr.isTTY) process.stderr.write('\n');
  console.error('Waiting for the counters');
  const checks = await settledChecks(run, { withinMs: 3 * config.flushIntervalMs }).catch(failed);
  console.log(demoSummary(run, checks));
  if (checks.some(({ expected, found }) => expected !== found)) process.exitCode = 1;
}

/**
 * Shows the progress on standard error. On a terminal it shows a moving bar. Otherwise it writes a line every
 * 10 seconds.
 */
function progressBar(): Parameters<typeof runDemo>[1] {
  const { isTTY } = process.stderr;
  let shownAt = 0;
  return ({ part, events }) => {
    const now = performance.now();
    if (part < 1 && now < shownAt + (isTTY ? 100 : 10_000)) return;
    shownAt = now;
    const done = Math.round(part * 30);
    const bar = `[${'#'.repeat(done)}${'.'.repeat(30 - done)}] ${Math.round(part * 100)} %  ${events} events`;
    process.stderr.write(isTTY ? `\r${bar}` : `${bar}\n`);
  };
}
