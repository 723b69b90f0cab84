import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** Delays answers for a short time. */
export interface HoldBack {
  /**
   * Resolves after `ms`. Resolves at once if `max` answers are already delayed, or after `release` was
   * called.
   */
  hold(): Promise<void>;
  /** Ends all delays now. Later calls of `hold` resolve at once. */
  release(): void;
  held(): number;
}

export function createHoldBack({ ms, max }: { readonly ms: number; readonly max: number }): HoldBack {
  const released = new AbortController();
  const { signal } = released;
  setMaxListeners(max, signal);
  let held = 0;
  return {
    async hold() {
      if (held >= max) return;
      held += 1;
      await delay(ms, undefined, { signal }).catch(() => {});
      held -= 1;
    },
    release: () => released.abort(),
    held: () => held,
  };
}
