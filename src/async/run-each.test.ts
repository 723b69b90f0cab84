import { expect, it } from 'vitest';
import { AppError, isRetriable } from '../domain/error.ts';
import { partsOf, runEach } from './run-each.ts';

const refuse = (message: string) => () => Promise.reject(new Error(message));

it('runs every task in order and resolves to their results', async () => {
  const begun: number[] = [];
  const task = (n: number) => async () => {
    begun.push(n);
    return n;
  };
  expect(await runEach([task(1), task(2), task(3)])).toEqual([1, 2, 3]);
  expect(begun).toEqual([1, 2, 3]);
});

it('runs the remaining tasks after a task fails, and rejects with the error of that task', async () => {
  const done: number[] = [];
  const tasks = [refuse('one'), async () => void done.push(2), async () => void done.push(3)];
  await expect(runEach(tasks)).rejects.toThrow(/^one$/);
  expect(done).toEqual([2, 3]);
});

it('rejects with all errors if several tasks fail, and the result is retriable if each error is retriable', async () => {
  await expect(runEach([refuse('one.'), refuse('two.')])).rejects.toThrow(/^one\. two\.$/);
  const away = () => Promise.reject(new AppError('UNAVAILABLE'));
  const errorOf = (tasks: readonly (() => Promise<never>)[]) => runEach(tasks).catch((error) => error);
  expect(isRetriable(await errorOf([away, away]))).toBe(true);
  expect(isRetriable(await errorOf([away, refuse('two')]))).toBe(false);
});

it('splits items into parts', () => {
  expect(partsOf([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(partsOf([], 2)).toEqual([]);
});
