import { type Goal, goals, type Metric } from './goals.ts';
import { median } from './statistics.ts';
import { mediansOf, type Samples } from './suite.ts';

/** Maps each suite to its samples. */
export type Measured = ReadonlyMap<string, Samples>;

/** A goal and its measured result. */
export interface Outcome {
  readonly goal: Goal;
  readonly ours: number;
  readonly other: number;
  /**
   * The median of the ratios of the rounds. A disturbance during a round slows both variants, so the ratio
   * hardly changes.
   */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
  readonly verdict: 'stretch' | 'pass' | 'MISS' | '';
}

/** Returns the outcomes of the measured goals. */
export function outcomesOf(measured: Measured): readonly Outcome[] {
  return goals.flatMap((goal) => {
    const samples = measured.get(goal.suite);
    const ours = samples && seriesOf(samples, goal.ours);
    const other = samples && seriesOf(samples, goal.other);
    if (!ours || !other) return [];
    const ratios = ours.map((value, round) => value / (other[round] ?? Number.NaN));
    const ratio = median(ratios);
    return [
      {
        goal,
        ours: median(ours),
        other: median(other),
        ratio,
        lowest: Math.min(...ratios),
        highest: Math.max(...ratios),
        verdict: verdictOf(goal, ratio),
      },
    ];
  });
}

function seriesOf(samples: Samples, { variant, metric }: Metric): readonly number[] | undefined {
  return samples.get(variant)?.map((sample) => sample[metric] ?? Number.NaN);
}

function verdictOf({ good, gate, stretch }: Goal, ratio: number): Outcome['verdict'] {
  const reaches = (bound: number) => (good === 'at least' ? ratio >= bound : ratio <= bound);
  if (gate === undefined) return '';
  if (!reaches(gate)) return 'MISS';
  return stretch !== undefined && reaches(stretch) ? 'stretch' : 'pass';
}

/** Returns the goals as a Markdown table. */
export function goalTable(outcomes: readonly Outcome[]): string {
  const bound = ({ good }: Goal, value: number | undefined) =>
    value === undefined ? '' : `${good === 'at least' ? '≥' : '≤'} ${value}`;
  const rows = outcomes.map(({ goal, ours, other, ratio, lowest, highest, verdict }) => [
    String(goal.number),
    goal.what,
    `${figure(ours)} ${goal.unit}`,
    `${figure(other)} ${goal.unit}`,
    `${figure(ratio)} (${figure(lowest)}–${figure(highest)})`,
    bound(goal, goal.gate),
    bound(goal, goal.stretch),
    verdict,
  ]);
  return table(['#', 'what', 'ours', 'other', 'ratio (rounds)', 'gate', 'stretch', ''], rows);
}

/** Returns the medians of every variant as a Markdown table. */
export function figureTable(measured: Measured): string {
  const rows = [...measured].flatMap(([suite, samples]) =>
    [...samples].map(([variant, turns]) => [suite, variant, describe(mediansOf(turns))]),
  );
  return table(['suite', 'variant', 'medians'], rows);
}

function describe(sample: Readonly<Record<string, number>>): string {
  return Object.entries(sample)
    .map(([metric, value]) =>
      metric.includes('Share') ? `${metric} ${Math.round(value * 100)} %` : `${metric} ${figure(value)}`,
    )
    .join(', ');
}

/** Returns a number with three significant digits, or with all digits before the point. */
function figure(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join(
    '\n',
  );
}
