import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { App } from '../app.ts';
import type { Config } from '../config/config.ts';
import type { Logger } from '../ports/logger.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { version } from '../version.ts';

export function register(program: Command): void {
  program
    .command('start')
    .description(
      'Start the server: the API, the worker and, if DATABASE_URL is not set, an embedded PostgreSQL.',
    )
    .option(
      '--ephemeral',
      'keep no data: a temporary directory holds the database and is removed when the process ends',
    )
    .action(start);
}

async function start({ ephemeral = false }: { readonly ephemeral?: boolean }): Promise<void> {
  const startedAt = performance.now();
  const { readConfig } = await import('../config/config.ts');
  const { misspellings } = await import('../config/misspellings.ts');
  const config = readConfig();
  const { createLogger } = await import('../runtime/error-text.ts');
  const logger = createLogger(config.logLevel);
  for (const { variable, meant } of misspellings())
    logger.warn({ variable, meant }, `${variable} is not a setting: did you mean ${meant}?`);
  const server = await openServer(await loadServer(), config, { ephemeral }, logger);
  if (!server) return;
  const { runtime, url, problems, isStopping } = server;
  const after = () => `after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  const found = Object.entries(await settled(problems, { isOver: isStopping, withinMs: 1_000 }));
  if (isStopping()) return;
  const missing = found.map(([backend, problem]) => `the ${backend} is missing (${problem})`).join(', ');
  const state = missing === '' ? `is ready ${after()}` : `is up ${after()}, not ready: ${missing}`;
  // The banner is for people, so the command writes it to standard error. Standard output has only log lines.
  console.error(`\n${bannerOf({ url, state, config, runtime, ephemeral })}\n`);
  if (missing === '') return;
  await settled(problems, { isOver: isStopping });
  if (!isStopping()) console.error(`unseen ${version} is ready ${after()}\n`);
}

/**
 * Loads all modules before a backend opens. So if a signal arrives, the handler that closes the backends is
 * already installed.
 */
async function loadServer() {
  const [{ default: closeWithGrace }, { createRuntime }, { createApp }] = await Promise.all([
    import('close-with-grace'),
    import('../runtime/runtime.ts'),
    import('../app.ts'),
  ]);
  return { closeWithGrace, createRuntime, createApp };
}

/**
 * Opens the backends and starts the app. Stops both when the process receives a signal. Returns undefined if
 * the process receives a signal before the app has started.
 */
async function openServer(
  { closeWithGrace, createRuntime, createApp }: Awaited<ReturnType<typeof loadServer>>,
  config: Config,
  options: { readonly ephemeral: boolean },
  logger: Logger,
) {
  let opening: Promise<Runtime> | undefined;
  let app: App | undefined;
  let isStopping = false;
  // Installs the handler first, because a signal or a fatal error of a backend may end the process at any
  // time. The handler waits for backends that are still opening, so that it can close them too.
  closeWithGrace({ delay: config.shutdownTimeoutMs + 10_000, logger: false }, async ({ err, signal }) => {
    if (err) logger.error({ err }, 'the process is stopping after an unhandled error');
    else logger.info({ signal }, 'the process is stopping and finishes the work that it has begun');
    isStopping = true;
    await app?.stop();
    const runtime = await opening?.catch(() => undefined);
    await runtime?.close();
    logger.info({}, 'the process has stopped');
    if (err) process.exitCode = 1;
  });
  opening = createRuntime(config, options, logger);
  const runtime = await opening;
  if (isStopping) return undefined;
  try {
    app = await createApp(runtime.backends, config);
    const { url } = await app.start();
    return { url, problems: app.problems, isStopping: () => isStopping, runtime };
  } catch (error) {
    // The process received a signal while it waited for a backend. The handler above closes the backends and
    // the app.
    if (isStopping) return undefined;
    await app?.stop().catch(() => {});
    await runtime.close();
    throw error;
  }
}

/**
 * Waits until there are no problems, until the time is over, or until `isOver` returns true. Returns the
 * problems that remain.
 */
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

/** Whether `unseen open` finds the server without the option `--url` if no variable is set. */
const isDefaultUrl = (url: string) => url === 'http://127.0.0.1:4000';

const roleDescriptions = { api: 'api (answers requests)', worker: 'worker (applies events)' } as const;

function bannerOf({
  url,
  state,
  config,
  runtime,
  ephemeral,
}: {
  readonly url: string;
  readonly state: string;
  readonly config: Config;
  readonly runtime: Runtime;
  readonly ephemeral: boolean;
}): string {
  const { store, log, pubSub, auth } = runtime.description;
  const code = runtime.backends.demoSessions?.createCode();
  // With `--ephemeral`, only this process knows the secret, so no command can create another link.
  const more = ephemeral
    ? ['  The demo link works once, within 10 minutes. Restart the server to get a new one.']
    : [
        `  The demo link works once, within 10 minutes. Get a new one: npx unseen open${isDefaultUrl(url) ? '' : ` --url ${url}`}`,
        '  Get a token for a program: npx unseen token --help',
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
    `  Roles       ${[...config.roles].map((role) => roleDescriptions[role]).join(', ')}`,
    `  Store       ${store}`,
    `  Log         ${log}`,
    `  Pub/sub     ${pubSub}`,
    `  Auth        ${auth}`,
    ...(code !== undefined && config.roles.has('api') ? ['', ...more] : []),
  ];
  return lines.join('\n');
}
