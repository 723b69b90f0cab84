import { expect, test } from 'vitest';
import { createPushTimer } from './push-timer.ts';

function timerAt(startMs: number) {
  const clock = { nowMs: startMs };
  return { clock, timer: createPushTimer(() => clock.nowMs) };
}

test('ends the two oldest waits after a rise by two', () => {
  const { clock, timer } = timerAt(0);
  timer.start();
  clock.nowMs = 10;
  timer.start();
  timer.start();
  clock.nowMs = 30;
  expect(timer.arrived(2)).toEqual([30, 20]);
  expect(timer.arrived(1)).toEqual([20]);
});

test('ends no wait if the badge falls, or if it rises while no wait is running', () => {
  const { timer } = timerAt(0);
  expect(timer.arrived(3)).toEqual([]);
  timer.start();
  expect(timer.arrived(-4)).toEqual([]);
});

test('drops the wait of a refused notification and a wait of more than 30 s', () => {
  const { clock, timer } = timerAt(0);
  const takeBack = timer.start();
  takeBack();
  timer.start();
  clock.nowMs = 60_000;
  expect(timer.arrived(2)).toEqual([]);
});
