/**
 * Runs work in the order it came, at most `perTurn` of it in a turn of the event loop: whoever else waits for the event loop
 * gets it in between, however much of this comes at once. What throws ends the process, as it would without this.
 */
export function createTurns(perTurn: number): (work: () => void) => void {
  const waiting = new Set<() => void>();

  function run(): void {
    let left = perTurn;
    for (const work of waiting) {
      if (left === 0) break;
      left -= 1;
      waiting.delete(work);
      work();
    }
    if (waiting.size > 0) setImmediate(run);
  }

  return (work) => {
    waiting.add(work);
    if (waiting.size === 1) setImmediate(run);
  };
}
