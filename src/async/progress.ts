/** Distinguishes a slow consumer from a consumer that is stuck. */
export interface Progress {
  /** Returns the problem of a consumer with this lag and position. Undefined if there is none. */
  problemAt(state: { readonly lag: bigint; readonly position: string }): string | undefined;
}

/**
 * Creates a check for a consumer. The consumer is stuck if it has a lag and its position has not changed for
 * at least `stallMs`.
 */
export function createProgress({ stallMs }: { readonly stallMs: number }): Progress {
  let last: { readonly position: string; readonly since: number } | undefined;
  return {
    problemAt({ lag, position }) {
      const now = performance.now();
      if (lag === 0n) {
        last = undefined;
        return undefined;
      }
      if (last?.position !== position) last = { position, since: now };
      const stalledMs = now - last.since;
      if (stalledMs < stallMs) return undefined;
      return `${lag} records wait and none was consumed for ${Math.round(stalledMs / 1_000)} s`;
    },
  };
}
