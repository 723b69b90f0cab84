import { afterEach, expect, it, vi } from 'vitest';
import { createWriteHealth } from './write-health.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('the write health asks the database with one session at a time, and at most once per second while the database accepts writes', async () => {
  const atMs = vi.spyOn(performance, 'now').mockReturnValue(0);
  const isReadOnly = vi.fn(async () => false);
  const health = createWriteHealth({ isReadOnly, onWritable() {} });
  const problems = () => Promise.all(Array.from({ length: 20 }, health.problem));
  expect(new Set(await problems())).toEqual(new Set([undefined]));
  atMs.mockReturnValue(999);
  await problems();
  expect(isReadOnly).toHaveBeenCalledTimes(1);
  atMs.mockReturnValue(1_000);
  await problems();
  expect(isReadOnly).toHaveBeenCalledTimes(2);
});

it('the write health asks again at the next call if the database did not answer', async () => {
  const isReadOnly = vi.fn(async () => false).mockRejectedValueOnce(new Error('no route'));
  const health = createWriteHealth({ isReadOnly, onWritable() {} });
  expect(await health.problem()).toBe('PostgreSQL does not answer: no route');
  expect(await health.problem()).toBeUndefined();
});
