import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LogRecord } from '../../../ports/event-log.ts';
import { createRecentReads } from './recent-reads.ts';

const record = (offset: number, bytes = 10): LogRecord => ({
  topic: 'topic',
  partition: 0,
  offset: BigInt(offset),
  key: null,
  value: new Uint8Array(bytes),
  headers: {},
  appendedAt: new Date(0),
});

const offsets = (records: readonly LogRecord[] | undefined) => records?.map(({ offset }) => Number(offset));

let reads: ReturnType<typeof createRecentReads>;
beforeEach(() => {
  vi.useFakeTimers();
  reads = createRecentReads();
});
afterEach(() => {
  reads.close();
  vi.useRealTimers();
});

it('the recent reads return only the records that follow an offset, even an offset within one read', () => {
  reads.follow(() => {});
  reads.add(10n, [record(11), record(12)]);
  reads.add(12n, [record(13), record(15)]);
  expect(offsets(reads.after(10n, 1))).toEqual([11, 12]);
  expect(offsets(reads.after(11n, 1))).toEqual([12]);
  expect(offsets(reads.after(12n, 1))).toEqual([13, 15]);
  expect(offsets(reads.after(13n, 1))).toEqual([15]);
  expect(offsets(reads.after(10n, 3))).toEqual([11, 12, 13, 15]);
  expect(reads.after(9n, 1)).toBeUndefined();
  expect(reads.after(15n, 1)).toBeUndefined();
});

it('the recent reads wake followers, and store nothing without followers', () => {
  const wake = vi.fn();
  const leave = reads.follow(wake);
  reads.add(0n, [record(1)]);
  expect(wake).toHaveBeenCalledTimes(1);
  leave();
  reads.add(1n, [record(2)]);
  expect(wake).toHaveBeenCalledTimes(1);
  expect(reads.after(1n, 1)).toBeUndefined();
});

it('the recent reads store records for a quarter of a second and up to 4 MB', () => {
  reads.follow(() => {});
  reads.add(0n, [record(1)]);
  vi.advanceTimersByTime(500);
  expect(reads.after(0n, 1)).toBeUndefined();
  reads.add(1n, [record(2, 3_000_000)]);
  reads.add(2n, [record(3, 900_000)]);
  expect(offsets(reads.after(1n, 1))).toEqual([2]);
  reads.add(3n, [record(4, 200_000)]);
  expect(reads.after(1n, 1)).toBeUndefined();
  expect(offsets(reads.after(2n, 1))).toEqual([3]);
});

it('the recent reads say whether a working consumer is about to read the records after an offset', () => {
  let [read, isAtWork] = [5n, true];
  const leave = reads.lead({ read: () => read, isAtWork: () => isAtWork });
  expect([reads.isAwaited(4n), reads.isAwaited(5n), reads.isAwaited(6n)]).toEqual([false, true, true]);
  read = 8n;
  expect(reads.isAwaited(6n)).toBe(false);
  isAtWork = false;
  expect(reads.isAwaited(9n)).toBe(false);
  isAtWork = true;
  leave();
  expect(reads.isAwaited(9n)).toBe(false);
});
