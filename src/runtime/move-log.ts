import {
  describeLogInUse,
  isSameLog,
  type LogInUse,
  logInUse,
  moveToLog,
} from '../adapters/postgres/log/log-in-use.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../domain/error.ts';
import { openLog } from './backends.ts';
import { openDatabase } from './database.ts';
import { chooseLog } from './log.ts';

/**
 * Binds the database to another log. Returns a sentence that confirms the change. `readers` has the names of
 * the consumer groups per topic. Each group loses its unread records of the old log. The function rejects
 * with START_REFUSED if such records exist or cannot be counted, unless `leaveUnread` is set.
 */
export async function moveLog(
  config: Config,
  kind: LogInUse['kind'],
  {
    leaveUnread,
    readers,
  }: { readonly leaveUnread: boolean; readonly readers: Readonly<Record<string, readonly string[]>> },
): Promise<string> {
  const target: LogInUse = kind === 'kafka' ? chooseLog(config).inUse : { kind, namespace: '' };
  if (target.kind !== kind) {
    const message = 'Set KAFKA_BROKERS and NAMESPACE to the values that the processes will use.';
    throw new AppError('START_REFUSED', message);
  }
  const { database, close } = await openDatabase(config);
  try {
    const current = (await logInUse(database.pool)) ?? { kind: 'postgres', namespace: '' };
    const before = describeLogInUse(current);
    if (isSameLog(current, target)) {
      await moveToLog(database.pool, target);
      return `This database uses ${before} already.`;
    }
    const unread = await unreadIn(current, config, readers);
    const held = `Records that no worker has read in ${before}: ${unread ?? 'unknown without KAFKA_BROKERS'}`;
    if (unread !== 0 && !leaveUnread) {
      const advice = 'Let workers with the old settings read them, or leave them unread with --leave-unread.';
      throw new AppError('START_REFUSED', `${held}. ${advice}`);
    }
    await moveToLog(database.pool, target);
    return `This database uses ${describeLogInUse(target)} from now on. ${held}.`;
  } finally {
    await close();
  }
}

/**
 * Returns the number of unread records of the consumer group with the most unread records. Returns undefined
 * if the log is Kafka and KAFKA_BROKERS is not set.
 */
async function unreadIn(
  { kind, namespace }: LogInUse,
  config: Config,
  readers: Readonly<Record<string, readonly string[]>>,
): Promise<number | undefined> {
  if (kind === 'kafka' && !config.kafka) return undefined;
  const kafka = kind === 'kafka' && config.kafka ? { ...config.kafka, namespace } : undefined;
  const { log, close } = await openLog({ ...config, kafka });
  const lagOf = (group: string) =>
    log.lag(
      group,
      Object.keys(readers).filter((topic) => readers[topic]?.includes(group)),
    );
  try {
    const groups = new Set(Object.values(readers).flat());
    return Math.max(...(await Promise.all([...groups].map(lagOf))).map(Number));
  } finally {
    await close();
  }
}
