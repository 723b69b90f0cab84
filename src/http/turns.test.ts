import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createTurns } from './turns.ts';

describe('the scheduler of turns', () => {
  it('runs tasks in order of arrival, a few tasks per turn of the event loop', async () => {
    const done: number[] = [];
    const inTurn = createTurns(3);
    const add = (n: number) => inTurn(() => done.push(n));
    for (let n = 0; n < 7; n += 1) add(n);
    expect(done).toEqual([]);
    const counts: number[] = [];
    for (let turn = 0; turn < 4; turn += 1) {
      await nextTurn();
      counts.push(done.length);
      if (turn === 0) add(7);
    }
    expect(counts).toEqual([3, 6, 8, 8]);
    add(8);
    await nextTurn();
    expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
