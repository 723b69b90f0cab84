import { type Command, Option } from 'commander';
import { topics } from '../events/topic.ts';
import { day } from './arguments.ts';

export function register(program: Command): void {
  program
    .command('replay')
    .description(
      'Make the workers consume a Kafka topic again from a given day. Stop the workers first. Events that were applied before are not applied again.',
    )
    .addOption(
      new Option('--topic <topic>', 'the topic, by its name in Unseen')
        .choices(Object.values(topics))
        .makeOptionMandatory(),
    )
    .requiredOption('--from <day>', 'the first day (UTC) to consume again, at most DEDUPE_DAYS ago', day)
    .action(replayTopic);
}

async function replayTopic({ topic, from }: { readonly topic: string; readonly from: Date }): Promise<void> {
  const { readConfig } = await import('../config/config.ts');
  const { replay } = await import('../runtime/log.ts');
  const { consumerGroups } = await import('./consumer-groups.ts');
  const lags = await replay(readConfig(), { topic, from, groups: consumerGroups[topic] ?? [] });
  for (const [group, lag] of lags)
    console.log(
      `${group}: the next worker that starts consumes ${lag === 1n ? '1 record' : `${lag} records`} again.`,
    );
}
