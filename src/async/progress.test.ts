import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProgress } from './progress.ts';

describe('the progress check', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('reports a consumer with a lag whose position does not change', () => {
    const progress = createProgress({ stallMs: 60_000 });
    expect(progress.problemAt({ lag: 3n, position: '7' })).toBeUndefined();
    vi.advanceTimersByTime(59_000);
    expect(progress.problemAt({ lag: 4n, position: '7' })).toBeUndefined();
    vi.advanceTimersByTime(2_000);
    expect(progress.problemAt({ lag: 5n, position: '7' })).toBe(
      '5 records wait and none was consumed for 61 s',
    );
    expect(progress.problemAt({ lag: 4n, position: '8' })).toBeUndefined();
  });

  it('reports no problem while the lag is 0', () => {
    const progress = createProgress({ stallMs: 60_000 });
    expect(progress.problemAt({ lag: 0n, position: '7' })).toBeUndefined();
    vi.advanceTimersByTime(120_000);
    expect(progress.problemAt({ lag: 0n, position: '7' })).toBeUndefined();
    expect(progress.problemAt({ lag: 1n, position: '7' })).toBeUndefined();
  });

  it('reports a new lag only after `stallMs`, even after a long pause between two checks', () => {
    const progress = createProgress({ stallMs: 60_000 });
    expect(progress.problemAt({ lag: 0n, position: '7' })).toBeUndefined();
    vi.advanceTimersByTime(78_000);
    expect(progress.problemAt({ lag: 1n, position: '7' })).toBeUndefined();
    vi.advanceTimersByTime(59_000);
    expect(progress.problemAt({ lag: 2n, position: '7' })).toBeUndefined();
    vi.advanceTimersByTime(1_000);
    expect(progress.problemAt({ lag: 2n, position: '7' })).toContain('none was consumed for 60 s');
  });
});
