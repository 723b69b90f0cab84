import { expect, test } from 'vitest';
import { createPushTimer } from './push-timer.ts';

function timerAt(startMs: number) {
  const clock = { nowMs: startMs };
  return { clock, timer: createPushTimer(() => clock.nowMs) };
}

test('a rise by two ends the two oldest waits', () => {
  const { clock, timer } = timerAt(0);
  timer.start();
  clock.nowMs = 10;
  timer.start();
  timer.start();
  clock.nowMs = 30;
  expect(timer.arrived(2)).toEqual([30, 20]);
  expect(timer.arrived(1)).toEqual([20]);
});

test('a badge that falls or was raised by others ends no wait', () => {
  const { timer } = timerAt(0);
  expect(timer.arrived(3)).toEqual([]);
  timer.start();
  expect(timer.arrived(-4)).toEqual([]);
});

test('a refused or forgotten notification is not waited for', () => {
  const { clock, timer } = timerAt(0);
  const takeBack = timer.start();
  takeBack();
  timer.start();
  clock.nowMs = 60_000;
  expect(timer.arrived(2)).toEqual([]);
});
