import { Argument, type Command } from 'commander';
import type { LimitThresholds } from '../domain/limit-use.ts';
import type { createRebuild } from '../flow/background/rebuild.ts';
import type { BadgeCache } from '../ports/badge-cache.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import { silent } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';
import type { Store } from '../ports/store/store.ts';
import { day } from './arguments.ts';
import { counted, refuse } from './output.ts';
import { withStore } from './with-store.ts';

interface Deps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: EventLog;
  readonly pubSub: PubSub;
  readonly cache: BadgeCache;
}

interface Options {
  readonly from: Date;
  readonly to: Date;
  readonly dryRun: boolean;
  readonly logRetentionDays: number;
  readonly limitThresholds: LimitThresholds;
}

const rebuildable = ['metrics', 'badges', 'limits'] as const;
type Rebuildable = (typeof rebuildable)[number];

type Rebuild = ReturnType<typeof createRebuild>;

/**
 * Runs a rebuild. Returns a sentence with the result, or undefined if another rebuild of the same data is
 * running.
 */
async function rebuildAll(
  deps: Deps,
  what: Rebuildable,
  { from, to, dryRun, ...options }: Options,
): Promise<string | undefined> {
  const { createRebuild } = await import('../flow/background/rebuild.ts');
  const rebuild = createRebuild({ ...deps, logger: silent }, options);
  if (what === 'badges') return rebuildBadges(rebuild, dryRun);
  if (what === 'limits') return rebuildLimits(rebuild, dryRun);
  return rebuildMetrics(rebuild, { from, to }, dryRun);
}

async function rebuildBadges(rebuild: Rebuild, dryRun: boolean): Promise<string | undefined> {
  let [checked, differed] = [0, 0];
  const ran = await rebuild.badges({ dryRun }, (some) => {
    checked += some.checked;
    differed += some.differed;
    console.error(`${counted(checked, 'badge')} checked, ${counted(differed, 'difference')} so far`);
  });
  return ran ? `${counted(checked, 'badge')}: ${outcomeOf(differed, dryRun)}.` : undefined;
}

async function rebuildLimits(rebuild: Rebuild, dryRun: boolean): Promise<string | undefined> {
  let [checked, differed, unfounded] = [0, 0, 0];
  const ran = await rebuild.limits({ dryRun }, (some) => {
    checked += some.checked;
    differed += some.differed;
    unfounded += some.unfounded;
    console.error(`${counted(checked, 'limit')} checked, ${counted(differed, 'difference')} so far`);
  });
  const skipped =
    unfounded === 0
      ? ''
      : ` Skipped ${counted(unfounded, 'limit')} whose events are not stored or cannot be read.`;
  return ran ? `${counted(checked, 'limit')}: ${outcomeOf(differed, dryRun)}.${skipped}` : undefined;
}

async function rebuildMetrics(
  rebuild: Rebuild,
  range: { readonly from: Date; readonly to: Date },
  dryRun: boolean,
): Promise<string | undefined> {
  let [days, differed] = [0, 0];
  const ran = await rebuild.metrics(range, { dryRun }, ({ day, difference }) => {
    const { buckets, pageViewsCounted, pageViewsKept, types, membersMissing, membersSurplus } = difference;
    const sum = buckets + types + membersMissing + membersSurplus;
    days += 1;
    differed += sum;
    if (sum === 0) return;
    const date = day.toISOString().slice(0, 10);
    const views = `${counted(pageViewsKept, 'page view')} in the metrics, ${pageViewsCounted} counted`;
    const users = `${counted(membersMissing, 'user')} missing, ${membersSurplus} too many`;
    console.error(`${date}  ${counted(buckets, 'bucket')} (${views}), ${counted(types, 'type')}, ${users}`);
  });
  return ran ? `${counted(days, 'day')}: ${outcomeOf(differed, dryRun)}.` : undefined;
}

function outcomeOf(differed: number, dryRun: boolean): string {
  if (differed === 0) return 'no differences';
  return `${counted(differed, 'difference')}${dryRun ? '; nothing was changed' : ', repaired'}`;
}

const help = `
A rebuild works on one day, or on some badges or limits, at a time. It prints each day that differs. After an interruption
run it again. For metrics, --from may name the last day that was printed. A rebuild of metrics pauses counting for each day, so
it needs a worker that keeps up with the log. Badges and page views do not wait. The stored rows hold no activity of erased
users, so a rebuild removes it from the metrics.

A limit is rebuilt from its stored events. If they are missing, the rebuild reports the limit and leaves it alone. It never
notifies a user about a limit again.

Examples:
  unseen rebuild metrics --dry-run
  unseen rebuild metrics --from 2026-11-01 --to 2026-11-20
  unseen rebuild limits --dry-run`;

interface RebuildFlags {
  readonly from?: Date;
  readonly to?: Date;
  readonly dryRun?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('rebuild')
    .description(
      'Count metrics, badges or limits again from the stored rows and events, and repair differences, for all tenants. Works while the server runs.',
    )
    .addArgument(new Argument('<what>', 'what to count again').choices([...rebuildable]))
    .option('--from <day>', 'metrics only: the first day, UTC (default: the oldest day with page views)', day)
    .option('--to <day>', 'metrics only: the last day, UTC (default: today)', day)
    .option('--dry-run', 'report the differences and change nothing')
    .addHelpText('after', help)
    .action((what: Rebuildable, flags: RebuildFlags) => {
      if (what !== 'metrics' && (flags.from ?? flags.to))
        command.error(
          `error: --from and --to apply only to metrics. A rebuild of ${what} always counts all of them`,
        );
      return rebuildWith(command, what, flags);
    });
}

async function rebuildWith(command: Command, what: Rebuildable, flags: RebuildFlags): Promise<void> {
  const { readConfig } = await import('../config/config.ts');
  await withStore(async ({ store, clock, live }) => {
    const { retentionDays, retention, limitThresholds } = readConfig();
    const now = clock.now();
    const from = flags.from ?? new Date(now.getTime() - retentionDays * 86_400_000);
    const to = flags.to ? new Date(flags.to.getTime() + 1) : now;
    if (to <= from) command.error('error: --to is before --from');
    const { dryRun = false } = flags;
    const options = { from, to, dryRun, logRetentionDays: retention.log, limitThresholds };
    const summary = await rebuildAll({ store, clock, ...(await live()) }, what, options);
    if (summary === undefined) refuse(`Another rebuild of the ${what} is running.`);
    else console.log(summary);
  });
}
