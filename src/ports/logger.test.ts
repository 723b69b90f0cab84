import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { AppError } from '../domain/error.ts';
import { silent, withoutKnownTraces, withoutStorms } from './logger.ts';

it('a logger without storms writes repeated warnings rarely, with the number of skipped warnings, and writes other lines at once', async () => {
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

it('a logger without known traces writes one line for a temporary error, and all details for any other error', () => {
  const lines: unknown[] = [];
  const logger = withoutKnownTraces({
    ...silent,
    warn: ({ err, attempt }: { err?: Error; attempt?: number }) =>
      lines.push([attempt, err?.stack === '' ? err.message : err]),
  });
  const refused = (where: string) =>
    Object.assign(new Error(`connect ECONNREFUSED ${where}`), { code: 'ECONNREFUSED', syscall: 'connect' });
  const both = new AggregateError([refused('::1:5432'), refused('127.0.0.1:5432')]);
  const unforeseen = new TypeError('x is not a function');
  const ours = new AppError('INTERNAL_SERVER_ERROR', undefined, { cause: unforeseen });
  for (const err of [
    new AppError('UNAVAILABLE', 'The database is away.', { cause: refused('127.0.0.1:5432') }),
    new AppError('UNAVAILABLE', 'The database is away.', { cause: both }),
    new AppError('UNAVAILABLE', 'The database is away.', { cause: new Error('\nInvalid\n\n  call') }),
    new AppError('UNAVAILABLE', 'The server is starting.'),
    new Error('gave up', { cause: refused('127.0.0.1:9092') }),
    refused('127.0.0.1:6379'),
    unforeseen,
    ours,
  ])
    logger.warn({ err, attempt: 1 }, 'away');
  logger.warn({ attempt: 1 }, 'away');
  expect(lines).toEqual([
    [1, 'connect ECONNREFUSED 127.0.0.1:5432'],
    [1, 'connect ECONNREFUSED ::1:5432'],
    [1, 'Invalid call'],
    [1, 'The server is starting.'],
    [1, 'connect ECONNREFUSED 127.0.0.1:9092'],
    [1, 'connect ECONNREFUSED 127.0.0.1:6379'],
    [1, unforeseen],
    [1, ours],
    [1, undefined],
  ]);
});
