import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { run } from './programs.ts';
import type { ServiceName } from './service.ts';

const composeFile = fileURLToPath(new URL('../../docker-compose.yml', import.meta.url));
const containerPorts = { kafka: 9092, redis: 6379, postgres: 5432 } as const;

/**
 * The services whose containers we started, with their addresses. Null means that the address is not known
 * yet.
 */
const started = z.partialRecord(z.enum(['kafka', 'redis', 'postgres']), z.string().nullable());
type Started = z.output<typeof started>;

const stateFile = (directory: string) => join(directory, 'compose.json');

/** Returns the services that Docker Compose runs for us. */
export function readCompose(directory: string): Started {
  try {
    return started.parse(JSON.parse(readFileSync(stateFile(directory), 'utf8')));
  } catch {
    return {};
  }
}

function writeCompose(directory: string, state: Started): void {
  if (Object.keys(state).length === 0) rmSync(stateFile(directory), { force: true });
  else writeFileSync(stateFile(directory), JSON.stringify(state), { mode: 0o600 });
}

const compose = (...args: readonly string[]) =>
  run('docker', ['compose', '--file', composeFile, ...args], { cwd: dirname(composeFile) });

/** Resolves with whether docker-compose.yml exists and the Docker engine answers. */
export async function isComposeUsable(): Promise<boolean> {
  if (!existsSync(composeFile)) return false;
  return run('docker', ['info'], { timeoutMs: 5_000 }).then(
    () => true,
    () => false,
  );
}

/**
 * Starts these services of docker-compose.yml. Resolves with their addresses when their health checks pass.
 * The function uses containers that already run, but does not record them as started by us. Rejects with the
 * message of docker.
 */
export async function composeUp(
  names: readonly ServiceName[],
  directory: string,
): Promise<ReadonlyMap<ServiceName, string>> {
  const before = (await compose('ps', '--services', '--status', 'running')).split('\n');
  const ours = new Set(names.filter((name) => !before.includes(name)));
  const state = readCompose(directory);
  // The record is written first, so that a later run finds the containers even if this process is killed.
  for (const name of ours) state[name] = null;
  writeCompose(directory, state);
  await compose('up', '--detach', '--wait', ...names);
  const urls = new Map<ServiceName, string>();
  for (const name of names) {
    const url = await urlOf(name);
    urls.set(name, url);
    if (ours.has(name)) state[name] = url;
  }
  writeCompose(directory, state);
  return urls;
}

/**
 * Removes the containers of these services, except containers that we did not start. With `purge` it also
 * removes their anonymous volumes. Named volumes stay.
 */
export async function composeDown(
  names: readonly ServiceName[],
  directory: string,
  { purge }: { readonly purge: boolean },
): Promise<readonly ServiceName[]> {
  const state = readCompose(directory);
  const ours = names.filter((name) => name in state);
  if (ours.length === 0) return [];
  await compose('rm', '--stop', '--force', ...(purge ? ['--volumes'] : []), ...ours);
  for (const name of ours) delete state[name];
  writeCompose(directory, state);
  return ours;
}

async function urlOf(name: ServiceName): Promise<string> {
  const published = (await compose('port', name, String(containerPorts[name]))).trim();
  const address = `127.0.0.1:${published.replace(/.*:/, '')}`;
  if (name === 'kafka') return address;
  if (name === 'redis') return `redis://${address}`;
  const { user, password, database } = await postgresLogin();
  return `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${address}/${database}`;
}

const composeConfig = z.object({
  services: z.object({ postgres: z.object({ environment: z.record(z.string(), z.string().nullable()) }) }),
});

/** Reads the login from the variables of the official image, with the defaults of the image. */
async function postgresLogin(): Promise<{ user: string; password: string; database: string }> {
  const config = composeConfig.parse(JSON.parse(await compose('config', '--format', 'json')));
  const variables = config.services.postgres.environment;
  const user = variables['POSTGRES_USER'] ?? 'postgres';
  return {
    user,
    password: variables['POSTGRES_PASSWORD'] ?? '',
    database: variables['POSTGRES_DB'] ?? user,
  };
}
