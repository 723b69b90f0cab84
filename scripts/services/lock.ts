import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isAlive, readRecord } from './process.ts';

/**
 * Runs `work` while no other process holds the lock file. Waits for the lock. The lock of a dead process is
 * ignored.
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

/**
 * Takes the lock by creating a hard link to `mine`. The link fails if the lock file exists, and the content
 * of the linked file is complete at once.
 */
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
 * Removes the lock of a dead process. The function first renames the lock file. If another process has taken
 * the lock in the meantime, the function restores the lock file of that process.
 */
function dropStale(file: string, holder: number | undefined): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (holder !== undefined && !readFileSync(aside, 'utf8').startsWith(`${holder} `)) linkSync(aside, file);
  } catch {
    // Another process has removed or renewed the lock, so nothing is left to do.
  }
  rmSync(aside, { force: true });
}
