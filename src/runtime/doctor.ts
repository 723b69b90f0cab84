import { problemOfDirectory } from '../adapters/local/data-directory.ts';
import { examineSecret } from '../adapters/local/secret.ts';
import { examinePostgres } from '../adapters/postgres/doctor.ts';
import { findEmbeddedPostgres } from '../adapters/postgres/embedded/embedded.ts';
import { currentPlatform, problemOfPlatform } from '../adapters/postgres/embedded/platform.ts';
import { migrationsDirectory } from '../adapters/postgres/server/migrate.ts';
import type { Config } from '../config/config.ts';
import type { Finding } from '../ports/finding.ts';
import { describeAuth, isAuthConfigured } from './auth.ts';
import { describePostgres } from './database.ts';
import { chooseLog } from './log.ts';
import { choosePubSub } from './pub-sub.ts';

/** Checks each backend without changing anything. */
export async function examine(config: Config): Promise<readonly Examination[]> {
  const { dataDir } = config;
  const choices = [chooseLog(config), choosePubSub(config)];
  return Promise.all([
    examination(describePostgres(config), examineStore(config)),
    ...choices.flatMap(({ description, examine }) => (examine ? [examination(description, examine())] : [])),
    ...(!isAuthConfigured(config)
      ? [examination(describeAuth(config, { ephemeral: false }), Promise.resolve([examineSecret(dataDir)]))]
      : []),
  ]);
}

/** The findings about one backend. */
export interface Examination {
  readonly backend: string;
  readonly findings: readonly Finding[];
}

async function examination(backend: string, findings: Promise<readonly Finding[]>): Promise<Examination> {
  return { backend, findings: await findings };
}

async function examineStore(config: Config): Promise<readonly Finding[]> {
  const { databaseUrl, dataDir, databasePoolSize: poolSize } = config;
  const options = { migrations: migrationsDirectory, poolSize, log: chooseLog(config).inUse };
  if (databaseUrl !== undefined) return examinePostgres({ connectionString: databaseUrl }, options);
  const running = findEmbeddedPostgres(dataDir);
  if (running) return examinePostgres({ ...running, ssl: false }, options);
  const unsupported = problemOfPlatform(currentPlatform());
  if (unsupported !== undefined)
    return [{ state: 'failed', found: 'not running, and this platform cannot run it', fix: unsupported }];
  const problem = problemOfDirectory(dataDir);
  if (problem === undefined) return [{ state: 'ok', found: 'not running, `unseen start` starts it' }];
  const fix = 'Make DATA_DIR writable, set another DATA_DIR, or set DATABASE_URL to a PostgreSQL server.';
  return [{ state: 'failed', found: `not running, and cannot be started: ${problem}`, fix }];
}
