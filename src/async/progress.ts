/** Tells a consumer that is behind from one that is stuck. */
export interface Progress {
  /** What is wrong given how far behind the consumer is now and where it stands; undefined when nothing is. */
  problemAt(state: { readonly lag: bigint; readonly position: string }): string | undefined;
}

/** A consumer is stuck when it was seen behind, and again `stallMs` later or more, where it was then. */
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
