/**
 * An async iterator for a reader that may be slower than its source. For each key, the iterator stores only
 * the newest value that the reader has not read. The values are read in the order in which their keys were
 * first put.
 */
export interface OneSlot<Key, Value> extends AsyncIterableIterator<Value> {
  /** Stores a value, which replaces the unread value of the key. Has no effect after the end. */
  put(key: Key, value: Value): void;
  /** Returns the unread value of the key. */
  peek(key: Key): Value | undefined;
  /** Ends the iterator and a pending `next`. Drops the unread values. */
  return(): Promise<IteratorResult<Value>>;
  /** Ends the iterator with an error. The pending or following `next` rejects with the error. */
  fail(error: unknown): void;
}

interface Reader<Value> {
  resolve(result: IteratorResult<Value>): void;
  reject(error: unknown): void;
}

export function createOneSlot<Key, Value>(options: { onEnd?: () => void } = {}): OneSlot<Key, Value> {
  return new Slot<Key, Value>(options.onEnd);
}

const done = { value: undefined, done: true } as const;

/**
 * A class, because it allocates its parts only when they are needed. Tens of thousands of idle iterators can
 * exist, each with one reader.
 */
class Slot<Key, Value> implements OneSlot<Key, Value> {
  private waiting: Map<Key, Value> | undefined;
  private readers: readonly Reader<Value>[] = [];
  private state: 'open' | 'ended' | { readonly failed: unknown } = 'open';

  constructor(private readonly onEnd: (() => void) | undefined) {}

  put(key: Key, value: Value): void {
    if (this.state !== 'open') return;
    const [reader, ...others] = this.readers;
    if (reader) {
      this.readers = others;
      reader.resolve({ value, done: false });
    } else {
      this.waiting ??= new Map();
      this.waiting.set(key, value);
    }
  }

  peek(key: Key): Value | undefined {
    return this.waiting?.get(key);
  }

  next(): Promise<IteratorResult<Value>> {
    const { state, waiting } = this;
    if (typeof state === 'object') {
      this.state = 'ended';
      return Promise.reject(state.failed);
    }
    if (state === 'ended') return Promise.resolve(done);
    for (const [key, value] of waiting ?? []) {
      waiting?.delete(key);
      if (waiting?.size === 0) this.waiting = undefined;
      return Promise.resolve({ value, done: false });
    }
    return new Promise((resolve, reject) => {
      this.readers = [...this.readers, { resolve, reject }];
    });
  }

  return(): Promise<IteratorResult<Value>> {
    for (const reader of this.end('ended')) reader.resolve(done);
    return Promise.resolve(done);
  }

  fail(error: unknown): void {
    if (this.state !== 'open') return;
    const [reader, ...others] = this.end(this.readers.length > 0 ? 'ended' : { failed: error });
    reader?.reject(error);
    for (const other of others) other.resolve(done);
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** Ends the iterator and returns the readers that still wait. */
  private end(next: 'ended' | { readonly failed: unknown }): readonly Reader<Value>[] {
    const { readers, state } = this;
    this.state = next;
    this.waiting = undefined;
    this.readers = [];
    if (state === 'open') this.onEnd?.();
    return readers;
  }
}
