import type pg from 'pg';
import { AppError } from '../../../domain/error.ts';
import { missingRight, toPortError } from '../error.ts';

/** Which log a database belongs to: its own table, or Kafka with a namespace. */
export interface LogInUse {
  readonly kind: 'postgres' | 'kafka';
  /** Before every topic; '' with `postgres`. */
  readonly namespace: string;
}

/** A pool, or a connection of it. */
type Queryable = Pick<pg.ClientBase, 'query'>;

/**
 * The log this database belongs to; undefined before the first start. Rejects with START_REFUSED when the login may not know,
 * with UNAVAILABLE while the database is away.
 */
export async function logInUse(database: Queryable): Promise<LogInUse | undefined> {
  const { rows } = await refusing(
    database.query<LogInUse>('SELECT kind, namespace FROM log_in_use WHERE id = 1'),
  );
  return rows[0];
}

/**
 * Binds a database that has no log yet to this one, for good. Rejects like `logInUse`, and with START_REFUSED when it belongs
 * to another: what is appended where nobody reads would be acknowledged and lost.
 */
export async function bindToLog(database: Queryable, told: LogInUse): Promise<void> {
  const used = await logInUse(database);
  if (used) return expectSameLog(used, told);
  await refusing(
    database.query('INSERT INTO log_in_use (id, kind, namespace) VALUES (1, $1, $2) ON CONFLICT DO NOTHING', [
      told.kind,
      told.namespace,
    ]),
  );
  // Of several that start together one was first.
  expectSameLog(await logInUse(database), told);
}

/** Moves a database to another log. Rejects like `logInUse`. */
export async function moveToLog(database: Queryable, { kind, namespace }: LogInUse): Promise<void> {
  await refusing(
    database.query(
      `INSERT INTO log_in_use (id, kind, namespace) VALUES (1, $1, $2)
       ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, namespace = excluded.namespace`,
      [kind, namespace],
    ),
  );
}

/** Throws START_REFUSED when a database belongs to another log than a process is told. */
export function expectSameLog(used: LogInUse | undefined, told: LogInUse): void {
  if (!used || isSameLog(used, told)) return;
  throw new AppError('START_REFUSED', `${differenceOf(used, told)}. ${howToAgree(told)}`);
}

export function isSameLog(one: LogInUse, other: LogInUse): boolean {
  return one.kind === other.kind && one.namespace === other.namespace;
}

/** What a database was used with and a process is told, without a full stop. */
export function differenceOf(used: LogInUse, told: LogInUse): string {
  return `This database is used with ${describeLogInUse(used)}, but this process is told to use ${describeLogInUse(told)}`;
}

/** What to do about it, in a sentence. */
export function howToAgree(told: LogInUse): string {
  return `Give it the KAFKA_BROKERS and NAMESPACE of the other processes; or, to move the log for good, see \`unseen log use ${told.kind} --help\`.`;
}

/** As it stands in a sentence. */
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
