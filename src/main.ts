#!/usr/bin/env node
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import closeWithGrace from 'close-with-grace';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { type App, createApp } from './app.ts';
import { demoSummary, runDemo, settledChecks } from './cli/demo.ts';
import { letterTable, letterText, plainLetter, retryAll, retryLetters } from './cli/dlq.ts';
import { elementsOf, importLimits } from './cli/import-limits.ts';
import { type ImportLine, importUsers, usersOfLines, usersOfRange } from './cli/import-users.ts';
import { type Rebuildable, rebuildAll, rebuildable, replayable } from './cli/rebuild.ts';
import { sweepTable } from './cli/sweep.ts';
import { type Config, ConfigError, readConfig } from './config/config.ts';
import { misspellings } from './config/misspellings.ts';
import { type Role, roles } from './domain/caller.ts';
import { AppError, isRetriable } from './domain/error.ts';
import { isTimeZone } from './domain/time.ts';
import type { UserPatch } from './domain/user.ts';
import { createOpenCode, createToken } from './runtime/auth.ts';
import { openLog, openStore } from './runtime/backends.ts';
import { missingRight, runMigrations } from './runtime/database.ts';
import { type Examination, examine } from './runtime/doctor.ts';
import { createLogger, serializeError } from './runtime/error-text.ts';
import { replay } from './runtime/log.ts';
import { useLog } from './runtime/move-log.ts';
import { createRuntime } from './runtime/runtime.ts';
import { version } from './version.ts';

const program = new Command('unseen')
  .description('Live unseen badges, per-user stats and limits behind one GraphQL API.')
  .version(version, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .showHelpAfterError('Add --help for what there is.')
  .addHelpText(
    'after',
    `
Settings come from the environment; .env.example lists them all.

Examples:
  unseen start                                  everything in one process, data in .unseen/
  unseen start --ephemeral                      the same, keeping nothing
  unseen open                                   a new link that opens the demo
  PORT=8080 unseen start                        on another port
  unseen token --user alice                     a token for the playground or for curl
  unseen token --role service                   a token that acts for every user of the tenant
  unseen dlq ls                                 the events that could not be applied
  unseen rebuild metrics --dry-run              whether the counts agree with the raw rows
  unseen import users users.jsonl               create or change the users of a file
  unseen import limits limits.json              bring in events about limits`,
  );

program
  .command('start')
  .description(
    'Start the server: the API, the worker and, unless DATABASE_URL is set, an embedded PostgreSQL.',
  )
  .option(
    '--ephemeral',
    'keep nothing: data in a temporary directory that disappears with the process, and its secret too unless AUTH_SECRET is set',
  )
  .action(start);

program
  .command('migrate')
  .description('Apply pending database migrations and exit. `start` does the same by itself.')
  .action(async () => {
    const config = readConfig();
    const applied = await runMigrations(config, createLogger(config.logLevel));
    console.log(applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`);
  });

program
  .command('doctor')
  .description('Examine every backend and say how to mend what is wrong. Exits with 1 when something failed.')
  .option('--json', 'print it for programs')
  .action(async ({ json }: { readonly json?: boolean }) => {
    const examinations = [...(await examine(readConfig())), ...examineEnvironment()];
    const hasFailed = examinations.some(({ findings }) => findings.some(({ state }) => state === 'failed'));
    const report = json ? JSON.stringify(examinations, undefined, 2) : reportOf(examinations);
    // When it is out, and not when nothing is under way any more: a client may wait for ever for a backend that is silent.
    process.stdout.write(`${report}\n`, () => process.exit(hasFailed ? 1 : 0));
  });

program
  .command('token')
  .description('Print a token signed with AUTH_SECRET or, without one, with the secret in DATA_DIR.')
  .option('--user <id>', 'whom the token speaks for (default: the role, for service and admin)')
  .addOption(new Option('--role <role>', 'what it may do').choices([...roles]).default('user'))
  .option('--tenant <tenant>', 'whose users', tenant, 'default')
  .option(
    '--expires <duration>',
    'for how long',
    matching(/^\d+ ?(s|m|h|d|w|y)$/, 'a duration such as 15m, 12h or 30d'),
    '12h',
  )
  .action(async (options: { user?: string; role: Role; tenant: string; expires: string }) => {
    if (options.role === 'user' && options.user === undefined) {
      program.error('error: --user says whom a token of role user speaks for, e.g. --user alice');
    }
    const { role, tenant: tenantId, expires: expiresIn } = options;
    console.log(
      await createToken(readConfig(), { subject: options.user ?? role, role, tenantId, expiresIn }),
    );
  });

program
  .command('open')
  .description(
    'Print a link that opens a page of the running server once, within 10 minutes. Needs the DATA_DIR of the server.',
  )
  .addArgument(new Argument('[page]', 'which page').choices(['demo', 'playground']).default('demo'))
  .option('--url <url>', 'of the server (default: as HOST and PORT say)')
  .action(async (page: string, { url }: { readonly url?: string }) => {
    const config = readConfig();
    const code = createOpenCode(config);
    const server = url ?? urlOf(config);
    // A server takes no code from before its start.
    await fetch(`${server}/healthz`, { signal: AbortSignal.timeout(5_000) }).catch((cause: unknown) => {
      const message = `No server answers at ${server}. Start one with \`unseen start\`, or name it: --url.`;
      throw new AppError('START_REFUSED', message, { cause });
    });
    console.log(`${server}/${page}#${code}`);
  });

const dlq = program
  .command('dlq')
  .description(
    'Look after dead letters: events that could not be applied. Of all tenants, also while the server runs.',
  );

dlq
  .command('ls')
  .description('List them, newest first.')
  .option('--topic <topic>', 'only those of this topic')
  .option('--code <code>', 'only those with this error code')
  .option('--limit <number>', 'how many, 1 to 1000', limit, 50)
  .option('--json', 'as a JSON array, with payloads')
  .action((options: { topic?: string; code?: string; limit: number; json?: boolean }) =>
    withStore(async ({ store }) => {
      const filter = {
        ...(options.topic !== undefined && { topic: options.topic }),
        ...(options.code !== undefined && { errorCode: options.code }),
      };
      const found = await store.deadLetters({ ...filter, first: options.limit + 1 });
      const letters = found.slice(0, options.limit);
      if (options.json) console.log(JSON.stringify(letters.map(plainLetter), undefined, 2));
      else console.log(letters.length === 0 ? 'No dead letters.' : letterTable(letters));
      if (found.length > letters.length) console.error(`There are more than ${options.limit}: see --limit.`);
    }),
  );

dlq
  .command('show')
  .description('Show everything about one.')
  .argument('<id>', 'as `ls` shows it', letterId)
  .option('--json', 'as JSON')
  .action((id: string, options: { json?: boolean }) =>
    withStore(async ({ store }) => {
      const letter = await store.deadLetter(id, {});
      if (!letter) refuse(`No dead letter has the id ${id}.`);
      else console.log(options.json ? JSON.stringify(plainLetter(letter), undefined, 2) : letterText(letter));
    }),
  );

dlq
  .command('retry')
  .description('Put them back on their topics, to be applied again. What fails again is a new dead letter.')
  .argument('[ids...]', 'as `ls` shows them', (id: string, ids: readonly string[] = []) => [
    ...ids,
    letterId(id),
  ])
  .option('--all', 'all there are')
  .option('--topic <topic>', 'with --all: all of this topic')
  .action((ids: readonly string[], { all = false, topic }: { all?: boolean; topic?: string }) => {
    if (all === ids.length > 0) dlq.error('error: name the ids of dead letters, or say --all');
    if (topic !== undefined && !all) dlq.error('error: --topic goes with --all');
    return withStore(async ({ store, clock }) => {
      const retried = all
        ? await retryAll({ store, clock }, topic)
        : await retryLetters({ store, clock }, ids);
      const unknown = ids.filter((id) => !retried.includes(id));
      if (retried.length === 0 && all) console.log('No dead letters.');
      if (retried.length > 0) console.log(`Retried ${retried.length}: a worker puts them back into the log.`);
      if (unknown.length > 0) refuse(`No dead letter has the id ${unknown.join(', ')}.`);
    });
  });

program
  .command('sweep')
  .description(
    'Remove what is older than its retention, as the worker does every day. Also while the server runs.',
  )
  .option('--dry-run', 'count it and remove nothing')
  .action(({ dryRun = false }: { readonly dryRun?: boolean }) =>
    withStore(async (deps) => {
      const { table, failures } = await sweepTable(deps, readConfig().retention, { dryRun });
      console.log(table);
      if (dryRun) console.error('Nothing was removed.');
      for (const { kind, error } of failures) refuse(`${kind}: ${reasonOf(error)}`);
    }),
  );

program
  .command('rebuild')
  .description(
    'Count metrics, badges or limits again from raw rows and events, beside live traffic, and repair what differs. Of all tenants.',
  )
  .addArgument(new Argument('<what>', 'what to count again').choices([...rebuildable]))
  .option('--from <day>', 'metrics: the first day, UTC (default: as far back as page views are kept)', day)
  .option('--to <day>', 'metrics: the last day, UTC (default: today)', day)
  .option('--dry-run', 'say what differs and change nothing')
  .addHelpText(
    'after',
    `
A day, or some badges or limits, at a time: whoever was interrupted begins again, of metrics with --from the last day that was
named; only days that differ are. Counting waits for each day, so it needs a worker that keeps up; badges and page views do
not wait. What erased users did is in the counts and not in the raw rows any more: a rebuild takes it out.

A limit is made again from its events that are kept; those it stands on always are. One whose events are missing all the same
is reported and left alone. Nobody is told again that a limit runs out.

Examples:
  unseen rebuild metrics --dry-run
  unseen rebuild metrics --from 2026-11-01 --to 2026-11-20
  unseen rebuild limits --dry-run`,
  )
  .action((what: Rebuildable, options: { from?: Date; to?: Date; dryRun?: boolean }) => {
    if (what !== 'metrics' && (options.from ?? options.to))
      program.error(`error: --from and --to go with metrics; a rebuild of the ${what} is of all of them`);
    return withStore(async ({ store, clock, live }) => {
      const { retentionDays, retention, limitThresholds } = readConfig();
      const now = clock.now();
      const from = options.from ?? new Date(now.getTime() - retentionDays * 86_400_000);
      const to = options.to ? new Date(options.to.getTime() + 1) : now;
      if (to <= from) program.error('error: --to lies before --from');
      const { dryRun = false } = options;
      const how = { from, to, dryRun, logRetentionDays: retention.log, limitThresholds };
      const summary = await rebuildAll({ store, clock, ...(await live()) }, what, how, console.error);
      if (summary === undefined) refuse(`A rebuild of the ${what} is running already.`);
      else console.log(summary);
    });
  });

program
  .command('replay')
  .description(
    'Have the workers consume a topic of Kafka again, from a moment on. They must be stopped. What was applied is recognised.',
  )
  .addOption(
    new Option('--topic <topic>', 'which, by our name for it')
      .choices(Object.keys(replayable))
      .makeOptionMandatory(),
  )
  .requiredOption(
    '--from <day>',
    'records appended on this day of UTC and later, at most DEDUPE_DAYS ago',
    day,
  )
  .action(async ({ topic, from }: { readonly topic: string; readonly from: Date }) => {
    const lags = await replay(readConfig(), { topic, from, groups: replayable[topic] ?? [] });
    for (const [group, lag] of lags) console.log(`${group}: ${lag} records come again when a worker starts.`);
  });

program
  .command('log')
  .description('Which log the database belongs to; `unseen doctor` says it.')
  .command('use')
  .description(
    'Move a database to another log, for good: processes that are told of the one before are refused.',
  )
  .addArgument(
    new Argument('<log>', 'kafka, as KAFKA_BROKERS and NAMESPACE say, or postgres').choices([
      'kafka',
      'postgres',
    ]),
  )
  .option('--leave-unread', 'even when the log before holds records that no worker has read')
  .addHelpText(
    'after',
    `
The first start says which log a database belongs to. A process that is told of another one is refused: what it appended
there would be acknowledged, and read by nobody.

To move without losing anything: stop the APIs and whoever else appends, let the workers read to the end (unseen_log_lag_records
and unseen_metrics_lag_records are 0), stop them, run this, and start all with the new settings.

Examples:
  KAFKA_BROKERS=kafka:9092 unseen log use kafka
  KAFKA_BROKERS=kafka:9092 unseen log use postgres     KAFKA_BROKERS: to ask how much was not read`,
  )
  .action(async (log: 'kafka' | 'postgres', { leaveUnread = false }: { readonly leaveUnread?: boolean }) => {
    console.log(await useLog(readConfig(), log, { leaveUnread, readers: replayable }));
  });

program
  .command('demo')
  .description(
    'Traffic for a server that runs: visitors of a site, in a tenant of their own. Checks the counters in the end.',
  )
  .option('--users <number>', 'visitors, 1 to 500', between(1, 500), 50)
  .option('--rate <number>', 'events per second, 1 to 1000', between(1, 1_000), 20)
  .addOption(
    new Option('--for <duration>', 'how long, such as 30s or 2m')
      .argParser(duration)
      .default(duration('2m'), '2m'),
  )
  .option('--url <url>', 'of the server (default: as HOST and PORT say)')
  .action(demo);

const bringIn = program
  .command('import')
  .description('Bring in what is known already, also while the server runs.');

bringIn
  .command('users')
  .description('Create or change users: those of a file, or those whose ids are numbers in a row.')
  .argument('<source>', 'FILE: JSON Lines, - for standard input. FIRST..LAST: a range of ids, both included')
  .option('--tenant <tenant>', 'whose users', tenant, 'default')
  .addOption(
    new Option('--can-receive <value>', 'whether notifications reach them').choices([
      'true',
      'false',
      'null',
    ]),
  )
  .option('--time-zone <zone>', 'an IANA time zone, or null', zoneOrNull)
  .addHelpText(
    'after',
    `
A line of a file is {"userId": "alice", "timeZone": "Europe/Berlin", "canReceiveNotifications": true}. Only userId must be
there: what is absent is as the options say, or else keeps its value; null goes back to the default (UTC, true).

Lines that cannot be read are reported and the others imported; the exit code is then 1. To import again changes nothing
that is done, so whoever was interrupted starts over.

Examples:
  unseen import users users.jsonl --tenant acme
  unseen import users 1..10000 --can-receive true --time-zone Europe/Berlin
  zcat users.jsonl.gz | unseen import users -`,
  )
  .action(importUsersFrom);

bringIn
  .command('limits')
  .description('Bring in events about limits, as their producer writes them.')
  .argument('<file>', 'a JSON array of events, - for standard input; of any size')
  .option('--tenant <tenant>', 'whose users', tenant, 'default')
  .addHelpText(
    'after',
    `
Events go to the log, unmodified and in their order; a worker applies them, at once when one runs. Each is applied once and
their order does not matter: to import a file again changes nothing, so whoever was interrupted starts over.

Events about something else are ignored. Those that cannot be read are reported, by their place in the array, and the others
imported; the exit code is then 1.

Examples:
  unseen import limits limits.json --tenant acme
  zcat limits.json.gz | unseen import limits -
  jq -s . events.jsonl | unseen import limits -     an event a line`,
  )
  .action(importLimitsFrom);

const roleDescriptions = { api: 'answers requests', worker: 'applies events' } as const;

await program.parseAsync().catch(exitWith);

async function withStore(
  work: (opened: Awaited<ReturnType<typeof openStore>>) => Promise<void>,
): Promise<void> {
  const opened = await openStore(readConfig());
  await work(opened).finally(opened.close);
}

async function importUsersFrom(
  source: string,
  options: { readonly tenant: string; readonly canReceive?: string; readonly timeZone?: string | null },
): Promise<void> {
  const patch: UserPatch = {
    ...(options.canReceive !== undefined && { canReceiveNotifications: JSON.parse(options.canReceive) }),
    ...(options.timeZone !== undefined && { timeZone: options.timeZone }),
  };
  const users = await usersOf(source, patch);
  await withStore(async (deps) => {
    const counts = { created: 0, updated: 0, refused: 0 };
    let said = 0;
    try {
      await importUsers(deps, options.tenant, users, {
        counts,
        onRefused: (line, reason) => refuse(`line ${line}: ${reason}`),
        onBatch() {
          const done = counts.created + counts.updated;
          if (done < said + 10_000) return;
          said = done;
          console.error(`${done} users so far`);
        },
      });
    } finally {
      const { created, updated, refused } = counts;
      console.log(`created ${created}, updated ${updated}, ${refused} lines refused`);
    }
  });
}

async function importLimitsFrom(source: string, options: { readonly tenant: string }): Promise<void> {
  const events = elementsOf(await bytesOf(source), source === '-' ? 'Standard input' : 'The file');
  const { log, clock, close } = await openLog(readConfig());
  const counts = { accepted: 0, ignored: 0, invalid: 0 };
  let said = 0;
  try {
    await importLimits({ log, clock }, options.tenant, events, {
      counts,
      onInvalid: (index, eventId, reason) =>
        refuse(`event ${index}${eventId === null ? '' : ` (${eventId})`}: ${reason}`),
      onBatch() {
        const done = counts.accepted + counts.ignored + counts.invalid;
        if (done < said + 10_000) return;
        said = done;
        console.error(`${done} events so far`);
      },
    });
  } finally {
    const { accepted, ignored, invalid } = counts;
    console.log(`accepted ${accepted}, ignored ${ignored} of other types, ${invalid} invalid`);
    await close();
  }
}

async function usersOf(
  source: string,
  patch: UserPatch,
): Promise<AsyncIterable<ImportLine> | Iterable<ImportLine>> {
  const [, first, last] = /^(0|[1-9]\d{0,14})\.\.(0|[1-9]\d{0,14})$/.exec(source) ?? [];
  if (first === undefined) return usersOfLines(await bytesOf(source), patch);
  if (Number(first) > Number(last)) program.error(`error: the range ${source} ends before it begins`);
  return usersOfRange(Number(first), Number(last), patch);
}

/** The bytes of a file that is there, or of standard input. */
async function bytesOf(source: string): Promise<AsyncIterable<Uint8Array>> {
  if (source === '-') return process.stdin;
  const unreadable = (cause: Error) =>
    new AppError('START_REFUSED', `${source} cannot be read: ${cause.message}`, { cause });
  const file = await open(source).catch((error) => {
    throw unreadable(error);
  });
  return (async function* () {
    try {
      yield* file.createReadStream();
    } catch (error) {
      throw unreadable(error as Error);
    }
  })();
}

/** Where a server with this configuration is reached from its own machine. */
function urlOf({ host, port }: Config): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

async function demo(options: { users: number; rate: number; for: number; url?: string }): Promise<void> {
  const config = readConfig();
  const url = options.url ?? urlOf(config);
  const tenantId = `demo-${Date.now()}`;
  const token = await createToken(config, { subject: 'demo', role: 'service', tenantId, expiresIn: '1d' });
  const failed = (cause: unknown) => {
    const reason =
      cause instanceof TypeError ? 'no server answers; is one running?' : (cause as Error).message;
    return new AppError('START_REFUSED', `The demo on ${url} failed: ${reason}`, { cause });
  };
  console.error(`Visitors of tenant ${tenantId} at ${url}`);
  let said = 0;
  const say = (line: string) => process.stderr.write(process.stderr.isTTY ? `\r${line}` : `${line}\n`);
  const run = await runDemo(
    { ...options, url, token, forMs: options.for, limitThresholds: config.limitThresholds },
    ({ part, events }) => {
      const now = performance.now();
      if (part < 1 && now < said + (process.stderr.isTTY ? 100 : 10_000)) return;
      said = now;
      const done = Math.round(part * 30);
      say(`[${'#'.repeat(done)}${'.'.repeat(30 - done)}] ${Math.round(part * 100)} %  ${events} events`);
    },
  ).catch((error: unknown) => {
    throw failed(error);
  });
  if (process.stderr.isTTY) process.stderr.write('\n');
  console.error('Waiting for the counters');
  const checks = await settledChecks(run, { withinMs: 3 * config.flushIntervalMs }).catch(
    (error: unknown) => {
      throw failed(error);
    },
  );
  console.log(demoSummary(run, checks));
  if (checks.some(({ expected, found }) => expected !== found)) process.exitCode = 1;
}

/** Says what could not be done; whatever else was asked is done. */
function refuse(sentence: string): void {
  console.error(`unseen: ${sentence}`);
  process.exitCode = 1;
}

async function start({ ephemeral = false }: { readonly ephemeral?: boolean }): Promise<void> {
  const startedAt = performance.now();
  const config = readConfig();
  const logger = createLogger(config.logLevel);
  for (const { variable, meant } of misspellings())
    logger.warn({ variable, meant }, `${variable} is not a setting: did you mean ${meant}?`);
  const runtime = await createRuntime(config, { ephemeral }, logger);
  let app: App | undefined;
  let isStopping = false;
  // Before the app is there: a backend may refuse us for good at any time.
  closeWithGrace({ delay: config.shutdownTimeoutMs + 10_000, logger: false }, async ({ err, signal }) => {
    if (err) logger.error({ err }, 'stopping after an error nobody handled');
    else logger.info({ signal }, 'stopping: finishing what is under way');
    isStopping = true;
    await app?.stop();
    await runtime.close();
    logger.info({}, 'stopped');
    if (err) process.exitCode = 1;
  });
  const open = async () => {
    app = await createApp(runtime.backends, config);
    return { ...(await app.start()), problems: app.problems };
  };
  const { url, problems } = await open().catch(async (error: unknown) => {
    // Told to stop while it waited for a backend: that is being done.
    if (isStopping) return new Promise<never>(() => {});
    await app?.stop().catch(() => {});
    await runtime.close();
    throw error;
  });
  const isOver = () => isStopping;
  const after = () => `after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  const found = Object.entries(await settled(problems, { isOver, withinMs: 1_000 }));
  if (isStopping) return;
  const missing = found.map(([backend, problem]) => `the ${backend} is missing (${problem})`).join(', ');
  const state = missing === '' ? `is ready ${after()}` : `is up ${after()}, not ready: ${missing}`;
  printBanner({ url, state, config, runtime, ephemeral });
  if (missing === '') return;
  await settled(problems, { isOver });
  if (!isStopping) console.error(`unseen ${version} is ready ${after()}\n`);
}

/** The problems that are left when time is up; none as soon as there is none. */
async function settled(
  problems: App['problems'],
  {
    isOver,
    withinMs = Number.POSITIVE_INFINITY,
  }: { readonly isOver: () => boolean; readonly withinMs?: number },
): Promise<Readonly<Record<string, string>>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await problems();
    if (Object.keys(found).length === 0 || isOver() || performance.now() > deadline) return found;
    await delay(Math.min(1_000, withinMs / 10));
  }
}

function printBanner({
  url,
  state,
  config,
  runtime,
  ephemeral,
}: {
  readonly url: string;
  readonly state: string;
  readonly config: Config;
  readonly runtime: Awaited<ReturnType<typeof createRuntime>>;
  readonly ephemeral: boolean;
}): void {
  const { store, log, pubSub, auth } = runtime.description;
  const code = runtime.backends.demoSessions?.createCode();
  // Only the process has the secret of an ephemeral start.
  const more = ephemeral
    ? ['  The link of the demo works once, within 10 minutes. Restart for a new one.']
    : [
        '  The link of the demo works once, within 10 minutes. For a new one: npx unseen open',
        '  A token for a program: npx unseen token --help',
      ];
  const lines = [
    `unseen ${version} ${state}`,
    '',
    ...(config.roles.has('api')
      ? [
          `  API         ${url}/graphql   (WebSocket: ${url.replace('http', 'ws')}/graphql)`,
          `  Playground  ${url}/playground`,
          `  Demo        ${url}/demo${code === undefined ? '' : `#${code}`}`,
        ]
      : []),
    `  Health      ${url}/readyz`,
    '',
    `  Does        ${[...config.roles].map((role) => roleDescriptions[role]).join(', ')}`,
    `  Store       ${store}`,
    `  Log         ${log}`,
    `  Pub/sub     ${pubSub}`,
    `  Auth        ${auth}`,
    ...(code !== undefined && config.roles.has('api') ? ['', ...more] : []),
  ];
  // For people; on standard error, so that standard output holds log lines only.
  console.error(`\n${lines.join('\n')}\n`);
}

/** Nothing, where every variable is a setting or far from one. */
function examineEnvironment(): readonly Examination[] {
  const findings = misspellings().map(
    ({ variable, meant }) =>
      ({
        state: 'warning',
        found: `${variable} is not a setting`,
        fix: `Did you mean ${meant}?`,
      }) as const,
  );
  return findings.length === 0 ? [] : [{ backend: 'environment', findings }];
}

/** Examinations as people read them. */
function reportOf(examinations: readonly Examination[]): string {
  const all = examinations.flatMap(({ findings }) => findings);
  const count = (state: Examination['findings'][number]['state']) =>
    all.filter((finding) => finding.state === state).length;
  const blocks = examinations.map(({ backend, findings }) =>
    [
      backend,
      ...findings.flatMap(({ state, found, fix }) => [
        `  ${state.padEnd(8)} ${found}`,
        ...(fix === undefined ? [] : [`           → ${fix}`]),
      ]),
    ].join('\n'),
  );
  return [...blocks, `${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed`].join(
    '\n\n',
  );
}

/** What was refused gets its sentence, what nobody foresaw its stack. */
function exitWith(thrown: unknown): never {
  const error = missingRight(thrown) ?? thrown;
  const isExpected =
    error instanceof ConfigError ||
    (error instanceof AppError && ['START_REFUSED', 'UNAVAILABLE'].includes(error.code));
  const { message, stack = message } = serializeError(error);
  console.error(isExpected ? `unseen: ${reasonOf(error)}` : stack);
  process.exit(1);
}

/** Why something failed, in a line: of several errors each, and of one that passes what the backend said. */
function reasonOf(thrown: unknown): string {
  if (thrown instanceof AggregateError) return thrown.errors.map(reasonOf).join('; ');
  const error = missingRight(thrown) ?? thrown;
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return isRetriable(error) && cause instanceof Error ? `${message} (${cause.message})` : message;
}

function tenant(value: string): string {
  return matching(/^[A-Za-z0-9_.-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 _ . -')(value);
}

function zoneOrNull(value: string): string | null {
  if (value === 'null') return null;
  if (!isTimeZone(value))
    throw new InvalidArgumentError('Expected an IANA time zone, e.g. Europe/Berlin, or null.');
  return value;
}

function letterId(value: string): string {
  return matching(
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
    'an id as `unseen dlq ls` shows it',
  )(value).toLowerCase();
}

/** The start of a day of UTC. */
function day(value: string): Date {
  const start = new Date(`${matching(/^\d{4}-\d\d-\d\d$/, 'a day such as 2026-11-20')(value)}T00:00:00Z`);
  if (!start.toJSON()?.startsWith(value)) throw new InvalidArgumentError('Expected a day that there is.');
  return start;
}

function between(min: number, max: number) {
  return (value: string): number => {
    const number = Number(matching(/^\d{1,6}$/, `a whole number from ${min} to ${max}`)(value));
    if (number < min || number > max) throw new InvalidArgumentError(`Expected ${min} to ${max}.`);
    return number;
  };
}

/** In ms. */
function duration(value: string): number {
  const [, number, unit] = /^([1-9]\d{0,4})(s|m|h)$/.exec(value) ?? [];
  if (!number || !unit) throw new InvalidArgumentError('Expected a duration such as 30s or 2m.');
  return Number(number) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as 's' | 'm' | 'h'];
}

function limit(value: string): number {
  return Number(matching(/^([1-9]\d{0,2}|1000)$/, 'a whole number from 1 to 1000')(value));
}

function matching(pattern: RegExp, expected: string) {
  return (value: string): string => {
    if (!pattern.test(value)) throw new InvalidArgumentError(`Expected ${expected}.`);
    return value;
  };
}
