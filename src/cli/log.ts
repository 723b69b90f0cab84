import { Argument, type Command } from 'commander';

const help = `
The first start decides which log a database belongs to. A process whose settings name another log refuses to start, because
no worker would read the events that it appends there.

To change the log without losing events:
  1. Stop the APIs and everything else that appends events.
  2. Wait until the workers have read all records: unseen_log_lag_records and unseen_metrics_lag_records are 0.
  3. Stop the workers.
  4. Run this command.
  5. Start all processes with the new settings.

Examples:
  KAFKA_BROKERS=kafka:9092 unseen log use kafka
  KAFKA_BROKERS=kafka:9092 unseen log use postgres     counts the unread records in Kafka first`;

export function register(program: Command): void {
  program
    .command('log')
    .description('Choose the log that the database belongs to. `unseen doctor` shows it.')
    .command('use')
    .description(
      'Change the log of a database permanently. Processes whose settings name the previous log refuse to start.',
    )
    .addArgument(
      new Argument('<log>', 'kafka (at KAFKA_BROKERS, with NAMESPACE) or postgres').choices([
        'kafka',
        'postgres',
      ]),
    )
    .option('--leave-unread', 'change the log even if the previous log holds records that no worker has read')
    .addHelpText('after', help)
    .action(changeLog);
}

async function changeLog(
  log: 'kafka' | 'postgres',
  { leaveUnread = false }: { readonly leaveUnread?: boolean },
): Promise<void> {
  const { readConfig } = await import('../config/config.ts');
  const { moveLog } = await import('../runtime/move-log.ts');
  const { consumerGroups } = await import('./consumer-groups.ts');
  console.log(await moveLog(readConfig(), log, { leaveUnread, readers: consumerGroups }));
}
