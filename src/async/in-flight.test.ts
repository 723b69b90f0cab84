import { expect, it } from 'vitest';
import { createInFlight } from './in-flight.ts';

function batches() {
  let rings = 0;
  const handed = createInFlight<number>({ onDone: () => (rings += 1) });
  const add = (place: number) => {
    let resolve: () => void = () => {};
    let reject: (error: Error) => void = () => {};
    const promise = new Promise<void>((done, failed) => {
      resolve = done;
      reject = failed;
    });
    handed.add({ place, size: 1, work: promise });
    return { resolve, reject };
  };
  return { handed, add, rings: () => rings };
}

it('passes batches in the order in which they were added, in whatever order they finish', async () => {
  const { handed, add } = batches();
  const [first, second, third] = [add(1), add(2), add(3)];
  second.resolve();
  await handed.untilAtMost(2);
  expect(handed.passed()).toBeUndefined();
  first.resolve();
  await handed.untilAtMost(1);
  expect(handed.passed()).toBe(2);
  third.resolve();
  await handed.settled();
  expect(handed.passed()).toBe(3);
});

it('never passes a batch that rejects, nor any later batch', async () => {
  const { handed, add, rings } = batches();
  const [first, second] = [add(1), add(2)];
  const waiting = handed.untilAtMost(0);
  first.reject(new Error('no'));
  second.resolve();
  await expect(waiting).rejects.toThrow('no');
  await handed.settled();
  expect(handed.passed()).toBeUndefined();
  expect(rings()).toBe(2);
});
