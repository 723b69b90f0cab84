import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isAlive, readRecord } from './process.ts';

/**
 * Runs `work` while no other process runs something under the same lock file, and waits for its turn. The
 * lock of a process that was killed counts for nothing.
 */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait: (holder: number) => void = () => undefined,
): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const mine = `${file}.${process.pid}`;
  let waits = false;
  for (;;) {
    writeFileSync(mine, `${process.pid} ${identify(process.pid)?.started}\n`);
    if (take(mine, file)) break;
    const holder = readRecord(file);
    if (holder === undefined || !isAlive(holder)) {
      dropStale(file, holder?.pid);
    } else {
      if (!waits) onWait(holder.pid);
      waits = true;
      await delay(50);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** A link is made only where nothing is, and its content is complete from the beginning. */
function take(mine: string, file: string): boolean {
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * Taken away before it is removed: should another process have renewed the lock since, its lock goes back.
 */
function dropStale(file: string, holder: number | undefined): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (holder !== undefined && !readFileSync(aside, 'utf8').startsWith(`${holder} `)) linkSync(aside, file);
  } catch {
    // Gone or renewed in the meantime, which is as good.
  }
  rmSync(aside, { force: true });
}
