import { existsSync } from 'node:fs';
import { missingForServices, missingForTests } from '../../scripts/services/lifecycle.ts';
import { MissingProgramError, missingPrograms, type ProgramName } from '../../scripts/services/programs.ts';

/** What a test may need beside `npm install`. It says so by these tags: `// @module-tag redis`, or `{ tags: ['redis'] }`. */
type TagName = 'kafka' | 'redis' | 'postgres' | 'chromium' | 'end-to-end' | 'docs' | 'root' | 'not-root';

declare module 'vitest' {
  interface TestTags {
    readonly names: TagName;
  }
}

interface Tag {
  readonly name: TagName;
  /** Why the tests are skipped, when they are. */
  readonly description: string;
  readonly skip: boolean;
}

/** In CI every test runs; the set-up fails where a program is missing. */
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

/** The end-to-end suites once more, on real services. */
export const scaledTags: readonly Tag[] = [
  ...tags.filter(({ name }) => name !== 'end-to-end'),
  forPrograms('end-to-end', missingForServices()),
];

/** In CI, throws MissingProgramError if a program is missing. */
export function demandPrograms(): void {
  const missing = missingForTests();
  if (isCI && missing.length > 0) throw new MissingProgramError(missing);
}
