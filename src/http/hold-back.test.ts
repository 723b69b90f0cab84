import { describe, expect, it } from 'vitest';
import { createHoldBack } from './hold-back.ts';

describe('a delay of answers', () => {
  it('ends at once if the maximum number of answers is already delayed', async () => {
    const holdBack = createHoldBack({ ms: 2 ** 31 - 1, max: 2 });
    const held = [holdBack.hold(), holdBack.hold()];
    await holdBack.hold();
    expect(holdBack.held()).toBe(2);
    holdBack.release();
    await Promise.all(held);
    expect(holdBack.held()).toBe(0);
  });

  it('ends at once after the release', async () => {
    const holdBack = createHoldBack({ ms: 2 ** 31 - 1, max: 2 });
    holdBack.release();
    await holdBack.hold();
    expect(holdBack.held()).toBe(0);
  });

  it('ends after the configured time', async () => {
    const holdBack = createHoldBack({ ms: 1, max: 1 });
    await holdBack.hold();
    expect(holdBack.held()).toBe(0);
  });
});
