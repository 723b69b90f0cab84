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
 * Moves the database to another log; what was done, in a sentence. What the log before holds and no group of `readers`, by
 * topic, has read is lost to them: rejects with START_REFUSED when there is any, or nobody can say, unless it is to be left.
 */
export async function moveLog(
  config: Config,
  kind: LogInUse['kind'],
  {
    leaveUnread,
    readers,
  }: { readonly leaveUnread: boolean; readonly readers: Readonly<Record<string, readonly string[]>> },
): Promise<string> {
  const told: LogInUse = kind === 'kafka' ? chooseLog(config).inUse : { kind, namespace: '' };
  if (told.kind !== kind) {
    const message = 'Set KAFKA_BROKERS, and NAMESPACE, as the processes will have them.';
    throw new AppError('START_REFUSED', message);
  }
  const { database, close } = await openDatabase(config);
  try {
    const used = (await logInUse(database.pool)) ?? { kind: 'postgres', namespace: '' };
    const before = describeLogInUse(used);
    if (isSameLog(used, told)) {
      await moveToLog(database.pool, told);
      return `This database uses ${before} already.`;
    }
    const unread = await unreadIn(used, config, readers);
    const held = `Records that no worker has read in ${before}: ${unread ?? 'unknown without KAFKA_BROKERS'}`;
    if (unread !== 0 && !leaveUnread) {
      const advice =
        'Let workers with the settings until now read them, or leave them there with --leave-unread.';
      throw new AppError('START_REFUSED', `${held}. ${advice}`);
    }
    await moveToLog(database.pool, told);
    return `This database uses ${describeLogInUse(told)} from now on. ${held}.`;
  } finally {
    await close();
  }
}

/** How far the group is behind that is furthest; undefined when there is no Kafka to be asked. */
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
