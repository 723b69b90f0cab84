/** Batches that were handed over and what is known of them: done in any order, passed in theirs. */
export interface InFlight<Place> {
  /** Notes a batch behind all others; `place` is where it ends. */
  add(batch: { readonly place: Place; readonly size: number; readonly work: Promise<void> }): void;
  /** Where the last batch ends that is done with all before it; undefined while none is. */
  passed(): Place | undefined;
  /** Resolves when at most so many records are not done. Rejects with what a batch rejected with. */
  untilAtMost(records: number): Promise<void>;
  /** Resolves when every batch has ended, in whichever way. */
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
