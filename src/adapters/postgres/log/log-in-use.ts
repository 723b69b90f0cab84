import type pg from 'pg';
import { AppError } from '../../../domain/error.ts';
import { missingRight, toPortError } from '../error.ts';

/** The log that a database belongs to: a table of the database, or Kafka topics with a namespace. */
export interface LogInUse {
  readonly kind: 'postgres' | 'kafka';
  /** The prefix of every topic. Empty if `kind` is `postgres`. */
  readonly namespace: string;
}

/** A pool or one of its connections. */
type Queryable = Pick<pg.ClientBase, 'query'>;

/**
 * Returns the log that this database belongs to. Undefined before the first start. Rejects with START_REFUSED
 * if the login has no right to read the log in use, and with UNAVAILABLE while the database is unreachable.
 */
export async function logInUse(database: Queryable): Promise<LogInUse | undefined> {
  const { rows } = await refusing(
    database.query<LogInUse>('SELECT kind, namespace FROM log_in_use WHERE id = 1'),
  );
  return rows[0];
}

/**
 * Binds a database without a log to this log permanently. Without this check a process could append events to
 * a log that no worker consumes: the caller would get an acknowledgement, but the events would be lost.
 * Rejects like `logInUse`, and with START_REFUSED if the database belongs to another log.
 */
export async function bindToLog(database: Queryable, configured: LogInUse): Promise<void> {
  const used = await logInUse(database);
  if (used) return expectSameLog(used, configured);
  await refusing(
    database.query('INSERT INTO log_in_use (id, kind, namespace) VALUES (1, $1, $2) ON CONFLICT DO NOTHING', [
      configured.kind,
      configured.namespace,
    ]),
  );
  // If several processes start at the same time, the first insert decides.
  expectSameLog(await logInUse(database), configured);
}

/** Binds a database to another log. Rejects like `logInUse`. */
export async function moveToLog(database: Queryable, { kind, namespace }: LogInUse): Promise<void> {
  await refusing(
    database.query(
      `INSERT INTO log_in_use (id, kind, namespace) VALUES (1, $1, $2)
       ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, namespace = excluded.namespace`,
      [kind, namespace],
    ),
  );
}

/** Throws START_REFUSED if the database belongs to a different log than the configured log. */
export function expectSameLog(used: LogInUse | undefined, configured: LogInUse): void {
  if (!used || isSameLog(used, configured)) return;
  throw new AppError('START_REFUSED', `${differenceOf(used, configured)}. ${howToAgree(configured)}`);
}

export function isSameLog(a: LogInUse, b: LogInUse): boolean {
  return a.kind === b.kind && a.namespace === b.namespace;
}

/** Describes the difference between the log of the database and the configured log, without a full stop. */
export function differenceOf(used: LogInUse, configured: LogInUse): string {
  return `This database is used with ${describeLogInUse(used)}, but this process is configured to use ${describeLogInUse(configured)}`;
}

/** Returns a sentence that says how to fix the difference. */
export function howToAgree(configured: LogInUse): string {
  return `Give this process the KAFKA_BROKERS and NAMESPACE of the other processes. To move to this log permanently, see \`unseen log use ${configured.kind} --help\`.`;
}

/** Describes a log, for use within a sentence. */
export function describeLogInUse({ kind, namespace }: LogInUse): string {
  if (kind === 'postgres') return 'the log in its own table (no KAFKA_BROKERS)';
  return `the log in Kafka (KAFKA_BROKERS, ${namespace === '' ? 'no NAMESPACE' : `NAMESPACE=${namespace}`})`;
}

async function refusing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw missingRight(error) ?? toPortError(error);
  }
}
