import { existsSync } from 'node:fs';
import { missingForServices, missingForTests } from '../../scripts/services/lifecycle.ts';
import { MissingProgramError, missingPrograms, type ProgramName } from '../../scripts/services/programs.ts';

/**
 * A program that a test requires in addition to `npm install`. A test names the program in a tag: `//
 * @module-tag redis`, or `{ tags: ['redis'] }`.
 */
type TagName = 'kafka' | 'redis' | 'postgres' | 'chromium' | 'end-to-end' | 'docs' | 'root' | 'not-root';

declare module 'vitest' {
  interface TestTags {
    readonly names: TagName;
  }
}

interface Tag {
  readonly name: TagName;
  /** The reason that the summary shows if the tests are skipped. */
  readonly description: string;
  readonly skip: boolean;
}

/** In CI every test runs, and the setup fails if a program is missing. */
const isCI = Boolean(process.env['CI']);
const isRoot = process.getuid?.() === 0;

const isManualBuilt = existsSync(new URL('../../dist/docs/index.html', import.meta.url));

const forPrograms = (name: TagName, missing: readonly ProgramName[]): Tag => ({
  name,
  description: missing.length === 0 ? 'all programs are installed' : `not installed: ${missing.join(', ')}`,
  skip: missing.length > 0 && !isCI,
});

/** The tags of the embedded run. */
export const tags: readonly Tag[] = [
  forPrograms('kafka', missingForServices({ only: ['kafka'] })),
  forPrograms('redis', missingForServices({ only: ['redis'] })),
  forPrograms('postgres', missingForServices({ only: ['postgres'] })),
  forPrograms('chromium', missingPrograms(['chromium'])),
  forPrograms('end-to-end', []),
  { name: 'docs', description: 'not built: npm run docs', skip: !isManualBuilt && !isCI },
  { name: 'root', description: 'runs as root only', skip: !isRoot },
  { name: 'not-root', description: 'does not run as root', skip: isRoot },
];

/** The tags of the scaled run, which repeats the end-to-end suites on real services. */
export const scaledTags: readonly Tag[] = [
  ...tags.filter(({ name }) => name !== 'end-to-end'),
  forPrograms('end-to-end', missingForServices()),
];

/** In CI, throws MissingProgramError if a program is missing. */
export function demandPrograms(): void {
  const missing = missingForTests();
  if (isCI && missing.length > 0) throw new MissingProgramError(missing);
}
