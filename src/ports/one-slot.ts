/**
 * An async iterator for a reader that may be slower than its source: per key it holds the newest value that was not read
 * yet, and nothing else. Values come out in the order in which their keys were first put.
 */
export interface OneSlot<Key, Value> extends AsyncIterableIterator<Value> {
  /** Replaces what is waiting under the key. Ignored after the end. */
  put(key: Key, value: Value): void;
  /** What waits under the key. */
  peek(key: Key): Value | undefined;
  /** Ends the iterator, a pending `next` included; what is waiting is dropped. */
  return(): Promise<IteratorResult<Value>>;
  /** Ends the iterator with an error: the pending or following `next` rejects with it. */
  fail(error: unknown): void;
}

export function createOneSlot<Key, Value>(options: { onEnd?: () => void } = {}): OneSlot<Key, Value> {
  const waiting = new Map<Key, Value>();
  const done: IteratorResult<Value> = { value: undefined, done: true };
  const readers: { resolve(result: IteratorResult<Value>): void; reject(error: unknown): void }[] = [];
  let state: 'open' | 'ended' | { failed: unknown } = 'open';

  function end(next: 'ended' | { failed: unknown }): void {
    const wasOpen = state === 'open';
    state = next;
    waiting.clear();
    if (wasOpen) options.onEnd?.();
  }

  return {
    put(key, value) {
      if (state !== 'open') return;
      const reader = readers.shift();
      if (reader) reader.resolve({ value, done: false });
      else waiting.set(key, value);
    },
    peek: (key) => waiting.get(key),
    next() {
      if (typeof state === 'object') {
        const { failed } = state;
        state = 'ended';
        return Promise.reject(failed);
      }
      if (state === 'ended') return Promise.resolve(done);
      for (const [key, value] of waiting) {
        waiting.delete(key);
        return Promise.resolve({ value, done: false });
      }
      return new Promise((resolve, reject) => {
        readers.push({ resolve, reject });
      });
    },
    return() {
      end('ended');
      for (const reader of readers.splice(0)) reader.resolve(done);
      return Promise.resolve(done);
    },
    fail(error) {
      if (state !== 'open') return;
      const [reader, ...others] = readers.splice(0);
      end(reader ? 'ended' : { failed: error });
      reader?.reject(error);
      for (const other of others) other.resolve(done);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
