/**
 * Runs tasks in order of arrival. Each turn of the event loop runs at most `perTurn` tasks, so that other
 * work can run in between. A task must not throw, because nothing would catch the error.
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
