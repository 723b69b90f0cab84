import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The counts of each project's test files, by `project path`. */
type Summary = Readonly<Record<string, Counts>>;

/**
 * At the end of a run, prints the skipped tests by file and reason, and the line `N passed, N failed, N
 * skipped`.
 *
 * If `file` is set, the reporter also writes the summary to this file. If the file contains the summary of an
 * earlier run, the new counts of a test file replace its earlier counts, and the printed lines cover both
 * runs.
 */
export class SummaryReporter implements Reporter {
  private readonly file: string | undefined;
  private vitest: Vitest | undefined;

  constructor({ file }: { readonly file?: string | undefined } = {}) {
    this.file = file;
  }

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const earlier = readSummary(this.file);
    const later: Summary = {
      ...Object.fromEntries(modules.map((module) => [keyOf(module), countsOf(module)])),
      // Errors outside of all test files.
      unhandled: { passed: 0, failed: unhandled.length, skipped: 0 },
    };
    const summary = { ...earlier, ...later };
    if (this.file !== undefined) writeFileSync(this.file, JSON.stringify(summary));

    const skipped = modules.flatMap(skippedIn);
    const { passed, failed, skipped: skippedCount } = total(summary);
    const passedLater = total(earlier).failed - failed;
    const lines = [
      ...(skipped.length > 0 && !this.vitest?.config.testNamePattern ? explain(skipped) : []),
      ...(passedLater > 0 ? [`${passedLater} passed only when run again`] : []),
      `${passed} passed, ${failed} failed${skippedCount > 0 ? `, ${skippedCount} skipped` : ''}`,
    ];
    this.vitest?.logger.log(lines.join('\n'));
  }
}

function readSummary(file: string | undefined): Summary {
  return file !== undefined && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

const keyOf = ({ project, moduleId }: TestModule) =>
  `${project.name} ${relative(project.config.root, moduleId)}`;

/**
 * Counts the outcomes of a file's tests. A file that failed outside of its tests counts as at least one
 * failed test.
 */
function countsOf(module: TestModule): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const test of module.children.allTests()) counts[outcomeOf(test)] += 1;
  if (module.state() === 'failed' && counts.failed === 0) counts.failed = 1;
  return counts;
}

/**
 * Returns the outcome of a test. A test that did not finish has failed. If a hook fails before a test, Vitest
 * reports the test as skipped, and this function reports the test as failed.
 */
function outcomeOf(test: TestCase): keyof Counts {
  const { state } = test.result();
  if (state === 'pending') return 'failed';
  return state === 'skipped' && hasFailedHook(test.parent) ? 'failed' : state;
}

function hasFailedHook(parent: TestCase['parent']): boolean {
  if (parent.errors().length > 0) return true;
  return parent.type === 'suite' && hasFailedHook(parent.parent);
}

function total(summary: Summary): Counts {
  const sum = (key: keyof Counts) => Object.values(summary).reduce((n, counts) => n + counts[key], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** Returns `project path: reason` for each skipped test. */
function skippedIn(module: TestModule): readonly string[] {
  return [...module.children.allTests()]
    .filter((test) => outcomeOf(test) === 'skipped')
    .map((test) => `${keyOf(module)}: ${reasonOf(test)}`);
}

function reasonOf(test: TestCase): string {
  const tags = test.project.config.tags.filter(({ name, skip }) => skip && test.tags.includes(name));
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return tags.map(({ description }) => description).join('; ') || (note ?? 'no reason given');
}

function explain(skipped: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const line of skipped) counts.set(line, (counts.get(line) ?? 0) + 1);
  const lines = [...counts].map(([line, count]) => `  ${line} (${count} ${count === 1 ? 'test' : 'tests'})`);
  const canInstall = skipped.some((line) => line.includes('not installed'));
  return [
    'Skipped:',
    ...lines.toSorted(),
    ...(canInstall ? ['To install the missing programs, run: npm run services -- install'] : []),
    '',
  ];
}
