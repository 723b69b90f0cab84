import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { composeDown, composeUp, isComposeUsable, readCompose } from './compose.ts';
import { defaultDirectory, makeDirectory } from './directory.ts';
import { findInstance, type Instance, recordFile, startInstance, stopInstance } from './instance.ts';
import { kafka } from './kafka.ts';
import { withLock } from './lock.ts';
import { postgres } from './postgres.ts';
import { isAlive, recordWritten } from './process.ts';
import { installPrograms, MissingProgramError, missingPrograms, type ProgramName } from './programs.ts';
import { type Recipe, remove } from './recipe.ts';
import { redis } from './redis.ts';
import {
  messageOf,
  type ServiceName,
  type ServiceUrls,
  serviceNames,
  variableOf,
  waitUntilReady,
  whyNotReady,
} from './service.ts';

export interface Options {
  /** The services. Defaults to all three. */
  readonly only?: readonly ServiceName[];
  /** The environment with the configured addresses. Defaults to the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * The directory of the data and of the records of running instances. Defaults to `.services` in the
   * checkout.
   */
  readonly directory?: string;
  /** The directory of downloads, shared by all data directories. Defaults to `.services` in the checkout. */
  readonly cache?: string;
  /** Whether Docker Compose may be used. Defaults to true. */
  readonly docker?: boolean;
  /** Whether missing programs are installed. Defaults to false. */
  readonly install?: boolean;
  /** Receives each progress line. Defaults to standard error. */
  readonly report?: (line: string) => void;
}

/** A service and its address. */
export interface Service {
  readonly name: ServiceName;
  readonly url: string;
  /**
   * The provider of the service. `environment`: another party started the service, and a variable holds its
   * address. `compose`: Docker Compose started the service for us. `system`: we started the service.
   */
  readonly by: 'environment' | 'compose' | 'system';
  readonly pid?: number;
  /** The reason why the service is not ready. Undefined if the service is ready. */
  readonly problem: string | undefined;
}

const recipes: Readonly<Record<ServiceName, Recipe>> = { kafka, redis, postgres };

/**
 * The time that a running instance has to answer, in ms. The instance may still be starting because the
 * process that started it was killed, or the instance may hang.
 */
const patienceMs = 20_000;

interface Settings extends Required<Options> {
  readonly lockFile: string;
}

function settingsOf(options: Options): Settings {
  const directory = resolve(options.directory ?? defaultDirectory);
  return {
    only: [...new Set(options.only ?? serviceNames)],
    env: options.env ?? process.env,
    directory,
    cache: resolve(options.cache ?? defaultDirectory),
    docker: options.docker ?? true,
    install: options.install ?? false,
    report: options.report ?? ((line) => console.error(line)),
    lockFile: join(directory, 'lock'),
  };
}

/**
 * Makes the services reachable. The function uses services that already run, and starts only missing
 * services. Resolves with the addresses when all services are ready. If several calls run at the same time,
 * even in several processes, one call does the work and the other calls use its result. Rejects with
 * MissingProgramError, or with all failures. If some services fail, the services that have started keep
 * running.
 */
export async function ensureServices(options: Options = {}): Promise<ServiceUrls> {
  const services = await up(options);
  return Object.fromEntries(services.map(({ name, url }) => [variableOf[name], url]));
}

/** Does the same as `ensureServices`, but resolves with the services instead of only their addresses. */
export async function up(options: Options = {}): Promise<readonly Service[]> {
  const settings = settingsOf(options);
  // The first check takes no lock, so that the function writes no file if every service already runs.
  const running = await status(options);
  const found = running.flatMap((service) => service ?? []).filter(({ problem }) => problem === undefined);
  if (found.length === settings.only.length) return found;
  makeDirectory(settings.directory);
  makeDirectory(settings.cache);
  const { lockFile, report } = settings;
  return withLock(
    lockFile,
    () => startMissing(settings),
    (holder) => report(`waiting for process ${holder}, which starts or stops the services`),
  );
}

async function startMissing(settings: Settings): Promise<readonly Service[]> {
  const { only, report } = settings;
  const found = new Map<ServiceName, Service>();
  const add = (services: readonly (Service | undefined)[]) => {
    for (const service of services) if (service !== undefined) found.set(service.name, service);
  };
  const missing = () => only.filter((name) => !found.has(name));
  add(await Promise.all(only.map((name) => findRunning(name, settings))));
  if (settings.docker && missing().length > 0 && (await isComposeUsable())) {
    add(await startWithCompose(missing(), settings));
  }
  await ensurePrograms(missing(), settings);
  const started = await Promise.allSettled(missing().map((name) => startOurs(name, settings)));
  const failures = started.flatMap((one) => (one.status === 'rejected' ? [messageOf(one.reason)] : []));
  if (failures.length > 0) throw new Error(failures.join('\n'));
  add(started.map((one) => (one.status === 'fulfilled' ? one.value : undefined)));
  return only.flatMap((name) => {
    const service = found.get(name);
    if (service !== undefined) report(summaryOf(service));
    return service ?? [];
  });
}

/**
 * Resolves with a usable running service. Waits for a running instance that does not answer yet, and stops
 * our instance if it hangs.
 */
async function findRunning(name: ServiceName, settings: Settings): Promise<Service | undefined> {
  const directory = join(settings.directory, name);
  await recordWritten(recordFile(directory));
  const service = await locate(name, settings);
  if (service?.problem === undefined) return service;
  if (service.by === 'environment') {
    settings.report(
      `${name}: ${variableOf[name]} is set, but the service does not answer: ${service.problem}`,
    );
  }
  const instance = findInstance(directory);
  if (instance === undefined) return undefined;
  settings.report(`${name}: process ${instance.process.pid} runs but does not answer yet. Waiting for it.`);
  try {
    await waitUntilReady(
      () => whyNotReady(name, instance.url),
      patienceMs,
      () => {
        if (!isAlive(instance.process)) throw new Error('the process ended');
      },
    );
    return ours(name, instance, undefined);
  } catch (error) {
    settings.report(`${name}: ${messageOf(error)}; starting it again`);
    await stopInstance(recipes[name], directory, instance);
    return undefined;
  }
}

async function startWithCompose(
  names: readonly ServiceName[],
  { directory, report }: Settings,
): Promise<readonly Service[]> {
  report(`${names.join(', ')}: starting with Docker Compose`);
  try {
    const urls = await composeUp(names, directory);
    const services = [...urls].map(async ([name, url]): Promise<Service> => {
      return { name, url, by: 'compose', problem: await whyNotReady(name, url) };
    });
    const all = await Promise.all(services);
    for (const { name, problem } of all) {
      if (problem !== undefined) report(`${name}: the container does not answer: ${problem}`);
    }
    return all.filter(({ problem }) => problem === undefined);
  } catch (error) {
    report(`Docker Compose does not work here: ${messageOf(error)}`);
    return [];
  }
}

async function ensurePrograms(names: readonly ServiceName[], settings: Settings): Promise<void> {
  const missing = missingFor(names, settings);
  if (missing.length === 0) return;
  if (!settings.install) throw new MissingProgramError(missing);
  settings.report(`installing ${missing.join(', ')}`);
  await installPrograms(missing);
}

const missingFor = (names: readonly ServiceName[], { cache }: Settings) =>
  missingPrograms(names.flatMap((name) => recipes[name].programs(cache)));

async function startOurs(name: ServiceName, { directory, cache, report }: Settings): Promise<Service> {
  report(`${name}: starting`);
  return ours(
    name,
    await startInstance(recipes[name], { directory: join(directory, name), cache }),
    undefined,
  );
}

/** Returns the programs that this machine lacks to run the services without containers. */
export function missingForServices(options: Pick<Options, 'only' | 'cache'> = {}): readonly ProgramName[] {
  const settings = settingsOf(options);
  return missingFor(settings.only, settings);
}

/** Returns the programs that this machine lacks to run every test. */
export const missingForTests = (): readonly ProgramName[] => [
  ...missingForServices(),
  ...missingPrograms(['chromium']),
];

/**
 * Resolves with each service in the order of `only`. Undefined means that the function found neither a
 * running nor a configured service.
 */
export async function status(options: Options = {}): Promise<readonly (Service | undefined)[]> {
  const settings = settingsOf(options);
  return Promise.all(settings.only.map((name) => locate(name, settings)));
}

/**
 * Resolves with the first candidate that answers: the configured service, our instance, our container. If no
 * candidate answers, resolves with the first candidate that exists.
 */
async function locate(name: ServiceName, { env, directory }: Settings): Promise<Service | undefined> {
  const configured = env[variableOf[name]] || undefined;
  const instance = findInstance(join(directory, name));
  const composed = readCompose(directory)[name] ?? undefined;
  const candidates: (() => Promise<Service>)[] = [];
  if (configured !== undefined && configured !== instance?.url && configured !== composed) {
    candidates.push(async () => {
      return { name, url: configured, by: 'environment', problem: await whyNotReady(name, configured) };
    });
  }
  if (instance !== undefined) {
    candidates.push(async () => ours(name, instance, await whyNotReady(name, instance.url)));
  }
  if (composed !== undefined) {
    candidates.push(async () => {
      return { name, url: composed, by: 'compose', problem: await whyNotReady(name, composed) };
    });
  }
  let first: Service | undefined;
  for (const candidate of candidates) {
    const service = await candidate();
    if (service.problem === undefined) return service;
    first ??= service;
  }
  return first;
}

const ours = (name: ServiceName, { url, process }: Instance, problem: string | undefined): Service => ({
  name,
  url,
  by: 'system',
  pid: process.pid,
  problem,
});

/**
 * Stops the services that we started, and with `purge` also removes their data. Downloads stay, and services
 * that another party started keep running. Resolves with the names of the stopped services. Rejects with all
 * failures.
 */
export async function down(
  options: Options & { readonly purge?: boolean } = {},
): Promise<readonly ServiceName[]> {
  const { only, directory, lockFile, report } = settingsOf(options);
  if (!existsSync(directory)) return [];
  const { purge = false } = options;
  const stopOurs = async (name: ServiceName) => {
    const place = join(directory, name);
    const instance = findInstance(place);
    if (instance !== undefined) await stopInstance(recipes[name], place, instance);
    if (purge) remove(place);
    return instance === undefined ? [] : [name];
  };
  return withLock(
    lockFile,
    async () => {
      const stopped = await Promise.allSettled([
        ...only.map(stopOurs),
        composeDown(only, directory, { purge }),
      ]);
      const failures = stopped.flatMap((one) => (one.status === 'rejected' ? [messageOf(one.reason)] : []));
      if (failures.length > 0) throw new Error(failures.join('\n'));
      const names = stopped.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      return only.filter((name) => names.includes(name));
    },
    (holder) => report(`waiting for process ${holder}, which starts or stops the services`),
  );
}

/** Returns a line of text about the service, without the password. */
export function summaryOf({ name, url, by, pid, problem }: Service): string {
  const how = { environment: 'as configured', compose: 'Docker Compose', system: `process ${pid}` }[by];
  const state = problem === undefined ? 'ready' : `not ready: ${problem}`;
  return `${name.padEnd(8)}  ${url.replace(/:[^:/@]+@/, ':***@')}  ${how}  ${state}`;
}
