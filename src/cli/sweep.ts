import { expireAll, type Retention, type Swept } from '../flow/background/sweep.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store/store.ts';

/** For people: what each kind is, and what is counted of it. */
const kinds: Record<Swept['kind'], string> = {
  pageViews: 'page views, months',
  activity: 'other activity and metrics, months and rows',
  itemViews: 'views of items that count no more',
  earlyItemViews: 'views of items that were never published',
  notifications: 'read notifications and openings',
  changes: 'changes that streams go back to',
  limitHistory: 'events of limits',
  marks: 'marks of applied and counted events',
  idempotencyKeys: 'idempotency keys',
  deadLetters: 'dead letters',
};

/** Removes what is too old, or counts it; a table of that, and the kinds that failed. */
export async function sweepTable(
  deps: { readonly store: Store; readonly clock: Clock },
  retention: Retention,
  { dryRun }: { readonly dryRun: boolean },
): Promise<{
  readonly table: string;
  readonly failures: readonly { readonly kind: string; readonly error: unknown }[];
}> {
  const swept = await expireAll(deps, retention, { dryRun });
  const rows = swept.map(({ kind, days, before, removed, error }) => [
    kinds[kind],
    `${days} days`,
    before.toISOString().slice(0, 10),
    error === undefined ? String(removed) : 'failed',
  ]);
  const table = [['kind', 'kept', 'older than', dryRun ? 'would go' : 'gone'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const failures = swept.flatMap(({ kind, error }) =>
    error === undefined ? [] : [{ kind: kinds[kind], error }],
  );
  return { table: lines.join('\n'), failures };
}
