/**
 * The batches that a handler is working on. Batches may finish in any order. A batch is passed only after all
 * earlier batches.
 */
export interface InFlight<Place> {
  /** Adds a batch after all others. `place` is the end of the batch. */
  add(batch: { readonly place: Place; readonly size: number; readonly work: Promise<void> }): void;
  /**
   * Returns the end of the last passed batch: this batch and all batches before it are finished. Undefined if
   * there is none.
   */
  passed(): Place | undefined;
  /** Resolves when at most this many records are unfinished. Rejects with the error of a failed batch. */
  untilAtMost(records: number): Promise<void>;
  /** Resolves when every batch has finished or failed. */
  settled(): Promise<void>;
}

export function createInFlight<Place>({ onDone }: { onDone(): void }): InFlight<Place> {
  const batches: { readonly place: Place; readonly size: number; isDone: boolean }[] = [];
  const working = new Set<Promise<void>>();
  let place: Place | undefined;
  let failure: { readonly reason: unknown } | undefined;
  let waiting: () => void = () => {};

  function pass(): void {
    while (batches[0]?.isDone) place = batches.shift()?.place;
    waiting();
    onDone();
  }

  return {
    add({ work, ...batch }) {
      const entry = { ...batch, isDone: false };
      batches.push(entry);
      const end = work
        .then(
          () => {
            entry.isDone = true;
          },
          (reason) => {
            failure ??= { reason };
          },
        )
        .finally(() => {
          working.delete(end);
          pass();
        });
      working.add(end);
    },
    passed: () => place,
    async untilAtMost(records) {
      const size = () => batches.reduce((sum, batch) => sum + (batch.isDone ? 0 : batch.size), 0);
      while (!failure && size() > records) {
        await new Promise<void>((resolve) => {
          waiting = resolve;
        });
      }
      if (failure) throw failure.reason;
    },
    async settled() {
      while (working.size > 0) await Promise.all(working);
    },
  };
}
