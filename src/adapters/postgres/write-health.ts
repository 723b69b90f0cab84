import { setTimeout as delay } from 'node:timers/promises';
import { isRetriable } from '../../domain/error.ts';
import { reasonOf, toPortError } from './error.ts';

/** A write that succeeded so lately, in ms, says that writes succeed, and so does a session that may write. */
const freshMs = 1_000;

/** Writes that have failed for so long, in ms, without one that succeeded, are a problem. */
const failingMs = 10_000;

/** How often a database that is read-only is asked whether it still is, in ms. */
const recheckMs = 1_000;

const readOnlyProblem = 'PostgreSQL is read-only';

/** Whether writes succeed: by how they end, and by a new session when there was none of late. */
export interface WriteHealth {
  /** Awaits a write and takes notice of how it ends. */
  noted<T>(write: Promise<T>): Promise<T>;
  /** A session refused a write as read-only: the database is, or the session still is after a failover. */
  suspect(): void;
  /** What is wrong, in a few words; undefined when writes succeed. */
  problem(): Promise<string | undefined>;
  close(): void;
}

/**
 * `isReadOnly` opens a session and asks it. `onWritable` is called when the database accepts writes after a session refused
 * one: sessions that were opened before may still be read-only.
 */
export function createWriteHealth({
  isReadOnly,
  onWritable,
}: {
  readonly isReadOnly: () => Promise<boolean>;
  readonly onWritable: () => void;
}): WriteHealth {
  const closing = new AbortController();
  /** When a write last succeeded, or a new session last said that it may write. */
  let writableAt = Number.NEGATIVE_INFINITY;
  /** Since the last success. */
  let failing: { readonly since: number; readonly last: number; readonly reason: string } | undefined;
  let isChecking = false;
  let readOnly = false;
  let asking: Promise<boolean> | undefined;

  /** One session at a time, because `/readyz` asks for anybody. */
  function ask(): Promise<boolean> {
    asking ??= isReadOnly()
      .then((answer) => {
        readOnly = answer;
        if (!readOnly) writableAt = performance.now();
        return readOnly;
      })
      .finally(() => {
        asking = undefined;
      });
    return asking;
  }

  /** Asks until the database accepts writes. */
  async function check(): Promise<void> {
    // A database that cannot be asked is as it was: the next write, or `problem`, says what is wrong.
    while (await ask().catch(() => readOnly))
      await delay(recheckMs, undefined, { signal: closing.signal, ref: false });
    onWritable();
  }

  function suspect(): void {
    if (isChecking) return;
    isChecking = true;
    // It rejects when closed.
    void check()
      .catch(() => {})
      .finally(() => {
        isChecking = false;
      });
  }

  return {
    suspect,
    async noted(write) {
      try {
        const result = await write;
        writableAt = performance.now();
        failing = undefined;
        return result;
      } catch (error) {
        const translated = toPortError(error) as Error;
        if (isRetriable(translated)) {
          const now = performance.now();
          const reason = reasonOf(translated.cause ?? translated);
          failing = { since: failing?.since ?? now, last: now, reason };
        }
        throw error;
      }
    },
    async problem() {
      if (readOnly) return readOnlyProblem;
      const now = performance.now();
      // Without writes of late, a new session decides: who is not ready may not be sent any.
      if (failing && now - failing.since > failingMs && now - failing.last < failingMs)
        return `writes to PostgreSQL fail: ${failing.reason}`;
      if (!failing && now - writableAt < freshMs) return undefined;
      try {
        if (!(await ask())) return undefined;
      } catch (error) {
        return `PostgreSQL does not answer: ${reasonOf(error)}`;
      }
      suspect();
      return readOnlyProblem;
    },
    close: () => closing.abort(),
  };
}
