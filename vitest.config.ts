import { defineConfig } from 'vitest/config';
import { SummaryReporter } from './src/testing/summary-reporter.ts';
import { scaledTags, tags } from './src/testing/tags.ts';

export default defineConfig({
  resolve: {
    // graphql ships CommonJS and ESM. Loading both fails with "another module or realm".
    alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }],
  },
  test: {
    reporters: ['default', new SummaryReporter({ file: process.env['TEST_SUMMARY'] })],
    projects: [
      {
        extends: true,
        test: {
          name: 'embedded',
          include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'web/**/*.test.ts'],
          globalSetup: ['src/testing/global-setup.ts'],
          tags: [...tags],
        },
      },
      {
        // Repeats the end-to-end suites on real Kafka, Redis and PostgreSQL, and runs the suites that need Kafka.
        extends: true,
        test: {
          name: 'scaled',
          include: [
            'src/app.test.ts',
            'src/app.{access,bad-input,items,outbound,sockets,pages,stream}.test.ts',
            'examples/*.test.ts',
          ],
          globalSetup: ['src/testing/global-setup-scaled.ts'],
          tags: [...scaledTags],
        },
      },
    ],
    server: { deps: { inline: ['type-graphql', '@apollo/server'] } },
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
