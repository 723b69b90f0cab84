import type { Command } from 'commander';
import type { Misspelling } from '../config/misspellings.ts';
import type { Examination } from '../runtime/doctor.ts';

export function register(program: Command): void {
  program
    .command('doctor')
    .description('Check every backend and say how to fix each problem. Exits with code 1 if a check failed.')
    .option('--json', 'print the report as JSON')
    .action(printReport);
}

async function printReport({ json }: { readonly json?: boolean }): Promise<void> {
  const { readConfig } = await import('../config/config.ts');
  const { misspellings } = await import('../config/misspellings.ts');
  const { examine } = await import('../runtime/doctor.ts');
  const examinations = [...(await examine(readConfig())), ...examineEnvironment(misspellings())];
  const hasFailed = examinations.some(({ findings }) => findings.some(({ state }) => state === 'failed'));
  const report = json ? JSON.stringify(examinations, undefined, 2) : reportOf(examinations);
  // Exits as soon as the report is written. A client library may wait forever for a backend that does not
  // answer, and would keep the process running.
  process.stdout.write(`${report}\n`, () => process.exit(hasFailed ? 1 : 0));
}

/** Returns a warning for each misspelt variable. */
function examineEnvironment(misspelt: readonly Misspelling[]): readonly Examination[] {
  const findings = misspelt.map(
    ({ variable, meant }) =>
      ({
        state: 'warning',
        found: `${variable} is not a setting`,
        fix: `Did you mean ${meant}?`,
      }) as const,
  );
  return findings.length === 0 ? [] : [{ backend: 'environment', findings }];
}

/** Returns the report as text. */
function reportOf(examinations: readonly Examination[]): string {
  const all = examinations.flatMap(({ findings }) => findings);
  const count = (state: Examination['findings'][number]['state']) =>
    all.filter((finding) => finding.state === state).length;
  const blocks = examinations.map(({ backend, findings }) =>
    [
      backend,
      ...findings.flatMap(({ state, found, fix }) => [
        `  ${state.padEnd(8)} ${found}`,
        ...(fix === undefined ? [] : [`           → ${fix}`]),
      ]),
    ].join('\n'),
  );
  const warnings = count('warning') === 1 ? '1 warning' : `${count('warning')} warnings`;
  return [...blocks, `${count('ok')} ok, ${warnings}, ${count('failed')} failed`].join('\n\n');
}
