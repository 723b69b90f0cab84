import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { problemOfNode } from './node-version.ts';

it.each(['20.19.0', '20.20.2', '21.0.0', '24.1.0', 'v22.3.0'])(
  'the version check accepts Node.js %s',
  (version) => {
    expect(problemOfNode(version)).toBeUndefined();
  },
);

it.each(['12.22.12', '16.20.2', '18.20.8', '20.18.3'])(
  'the version check refuses Node.js %s in one sentence',
  (version) => {
    expect(problemOfNode(version)).toBe(
      `Unseen needs Node.js 20.19 or newer, but this is Node.js ${version}. Install a newer version, for example from https://nodejs.org.`,
    );
  },
);

it('the version check requires the version of Node.js that package.json names', () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(problemOfNode('1.0.0')).toContain(engines.node.replace('>=', ''));
});

it('the files that an old Node.js parses have no new syntax', () => {
  for (const file of ['main.js', 'cli/node-version.js']) {
    const built = readFileSync(`.build/${file}`, 'utf8');
    const code = built.replaceAll(/\/\/.*|`[^`]*`/g, '');
    expect(code).not.toMatch(/\?\.|\?\?|\|\|=|&&=|\bawait\b|\d_\d|#\w|\bstatic\b/);
    expect(code.match(/^import .*/gm) ?? []).toEqual(
      file === 'main.js' ? ["import { problemOfNode } from './cli/node-version.js';"] : [],
    );
  }
});
