/** Distinguishes a slow consumer from a stuck one. */
export interface Progress {
  /** The problem of a consumer with this lag and position. Undefined if there is none. */
  problemAt(state: { readonly lag: bigint; readonly position: string }): string | undefined;
}

/** A consumer is stuck if it had a lag and is at the same position `stallMs` or more later. */
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
