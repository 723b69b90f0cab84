/**
 * Runs work in the order in which it came, at most `perTurn` pieces in a turn of the event loop, so that other work is done in
 * between. The work must not throw: an error would be uncaught.
 */
export function createTurns(perTurn: number): (work: () => void) => void {
  const waiting = new Set<() => void>();

  function run(): void {
    let left = perTurn;
    try {
      for (const work of waiting) {
        if (left === 0) break;
        left -= 1;
        waiting.delete(work);
        work();
      }
    } finally {
      if (waiting.size > 0) setImmediate(run);
    }
  }

  return (work) => {
    waiting.add(work);
    if (waiting.size === 1) setImmediate(run);
  };
}
