import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/**
 * Maps each tag to the functions that start its program. A test that calls such a function must have the tag.
 */
const starters = {
  kafka: /\b(startKafka|startTestKafka|openFleet)\(/,
  redis: /\b(startRedis|openFleet)\(/,
  postgres: /\b(startPostgres|openFleet)\(/,
  chromium: /\blaunchChromium\(/,
};

const testFiles = ['src', 'scripts', 'web', 'examples']
  .flatMap((root) => readdirSync(root, { recursive: true, encoding: 'utf8' }).map((file) => join(root, file)))
  .filter((file) => file.endsWith('.test.ts'));

it.each(Object.entries(starters))(
  'every test file that starts %s has the tag of this program',
  (tag, starter) => {
    const hasTag = new RegExp(`^// @module-tag ${tag}$|\\btags: \\[[^\\]]*'${tag}'`, 'm');
    const starting = testFiles
      .map((file) => ({ file, code: readFileSync(file, 'utf8') }))
      .filter(({ code }) => starter.test(code));
    expect(starting).not.toEqual([]);
    expect(starting.filter(({ code }) => !hasTag.test(code)).map(({ file }) => file)).toEqual([]);
  },
);
