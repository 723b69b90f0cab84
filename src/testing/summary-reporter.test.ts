import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const config = `
  import { SummaryReporter } from '${resolve('src/testing/summary-reporter.ts')}';
  const reporters = ['default', new SummaryReporter({ file: process.env.TEST_SUMMARY })];
  const tags = [{ name: 'redis', description: 'not installed: redis-server', skip: true }];
  export default { test: { projects: [{ test: { name: 'embedded' , tags } }], reporters } };`;

describe('the summary of a test run', { timeout: 60_000 }, () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'unseen-summary-'));
    symlinkSync(resolve('node_modules'), join(dir, 'node_modules'));
    writeFileSync(join(dir, 'vitest.config.ts'), config);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const suite = (name: string, code: string) =>
    writeFileSync(
      join(dir, `${name}.test.ts`),
      `import { beforeAll, describe, expect, it } from 'vitest';\n${code}`,
    );

  /**
   * Returns the exit code of a run, and the end of its output. The end begins with the skipped tests, or with
   * the counts if no test was skipped.
   */
  function run(env: Readonly<Record<string, string>> = {}): Promise<{ code: unknown; output: string }> {
    const options = { cwd: dir, env: { PATH: process.env['PATH'], NO_COLOR: '1', CI: '', ...env } };
    return new Promise((done) =>
      execFile(process.execPath, ['node_modules/vitest/vitest.mjs', 'run'], options, (error, stdout) =>
        done({
          code: error?.code ?? 0,
          output: /(Skipped:\n(.*\n)*|.* passed only .*\n.*\n|\d+ passed, .*\n)$/.exec(stdout)?.[0] ?? stdout,
        }),
      ),
    );
  }

  it('lists the skipped tests with their reasons, and the command that installs programs', async () => {
    suite('one', `// @module-tag redis\nit('a', () => {}); it('b', () => expect(1).toBe(2));`);
    suite(
      'two',
      `it('a', () => {}); it('b', ({ skip }) => skip('nothing to lose')); it.skip('c', () => {});`,
    );
    expect(await run()).toEqual({
      code: 0,
      output: [
        'Skipped:',
        '  embedded one.test.ts: not installed: redis-server (2 tests)',
        '  embedded two.test.ts: no reason given (1 test)',
        '  embedded two.test.ts: nothing to lose (1 test)',
        'To install the missing programs, run: npm run services -- install',
        '',
        '1 passed, 0 failed, 4 skipped',
        '',
      ].join('\n'),
    });
  });

  it('counts the tests that a failing hook, file or promise stops as failed', async () => {
    suite(
      'hook',
      `describe('x', () => { beforeAll(() => { throw 1; }); it('a', () => {}); it('b', () => {}); });`,
    );
    suite('file', 'throw 1;');
    suite('promise', `it('a', () => void Promise.reject(new Error('unheard')));`);
    expect(await run()).toEqual({ code: 1, output: '1 passed, 4 failed\n' });
  });

  it('reports one result for a run and the repetition of its failed files', async () => {
    const env = { TEST_SUMMARY: join(dir, 'summary.json') };
    suite('good', `it('a', () => {}); it.skip('b', () => {});`);
    suite('bad', `it('a', () => expect(1).toBe(2)); it('b', () => {});`);
    expect(await run(env)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/\n2 passed, 1 failed, 1 skipped\n$/),
    });
    rmSync(join(dir, 'good.test.ts'));
    suite('bad', `it('a', () => {}); it('b', () => {});`);
    const output = '1 passed only when run again\n3 passed, 0 failed, 1 skipped\n';
    expect(await run(env)).toEqual({ code: 0, output });
  });
});
