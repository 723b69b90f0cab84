import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'unseen-loading-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const dataUrl = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;

/**
 * Returns the packages, and the folders of `src`, that a command loads. A loader hook records every module.
 */
function loadedBy(args: readonly string[]): { readonly packages: string[]; readonly rooms: string[] } {
  const record = join(directory, 'loaded');
  const hook = dataUrl(`import { appendFileSync } from 'node:fs';
    export async function load(url, context, nextLoad) {
      appendFileSync(${JSON.stringify(record)}, url + '\\n');
      return nextLoad(url, context);
    }`);
  const preload = dataUrl(`import { register } from 'node:module'; register(${JSON.stringify(hook)});`);
  execFileSync(process.execPath, ['--import', preload, '.build/main.js', ...args], {
    env: { DATA_DIR: join(directory, 'data') },
  });
  const urls = readFileSync(record, 'utf8').split('\n');
  const distinct = (names: readonly (string | undefined)[]) =>
    [...new Set(names.filter((name) => name !== undefined))].toSorted();
  return {
    packages: distinct(urls.map((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1])),
    rooms: distinct(urls.map((url) => /\/\.build\/(.+)\/[^/]+$/.exec(url)?.[1])),
  };
}

// The commands of this test must not load src/flow, GraphQL or a client library of a backend, because loading
// each of these takes tens of milliseconds.
it.each([[['--help']], [['--version']], [['dlq', '--help']], [['token', '--help']]])(
  'a command loads only the code of the command line: %j',
  (args) => {
    expect(loadedBy(args)).toEqual({ packages: ['commander'], rooms: ['cli', 'domain', 'events', 'ports'] });
  },
);

it('`unseen token` loads only the configuration and the code that signs tokens', () => {
  expect(loadedBy(['token', '--user', 'alice'])).toEqual({
    packages: ['commander', 'fastest-levenshtein', 'jose', 'zod'],
    rooms: ['adapters/jwt', 'adapters/local', 'cli', 'config', 'domain', 'events', 'ports', 'runtime'],
  });
});
