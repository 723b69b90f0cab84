import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { silent, withoutStorms } from './logger.ts';

it('a logger without storms says a warning now and then, with the number of those held back, and the rest at once', async () => {
  const lines: unknown[] = [];
  const logger = withoutStorms(
    {
      ...silent,
      warn: (fields, message) => lines.push([message, fields]),
      error: (fields, message) => lines.push([message, fields]),
    },
    50,
  );
  for (let n = 1; n <= 4; n += 1) logger.warn({ n }, 'a request failed');
  logger.warn({}, 'something else');
  for (let n = 1; n <= 2; n += 1) logger.error({ n }, 'a fault of ours');
  await delay(60);
  logger.warn({ n: 5 }, 'a request failed');
  expect(lines).toEqual([
    ['a request failed', { n: 1 }],
    ['something else', {}],
    ['a fault of ours', { n: 1 }],
    ['a fault of ours', { n: 2 }],
    ['a request failed', { n: 5, heldBack: 3 }],
  ]);
});
