import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Command } from './process.ts';
import type { ProgramName } from './programs.ts';
import type { ServiceName } from './service.ts';

/** How a service of our own is set up and started. */
export interface Recipe {
  readonly name: ServiceName;
  /** Ends the program in good order, clients connected or not. */
  readonly stopSignal: NodeJS.Signals;
  /** What has to be installed, given what was fetched into `cache` before. */
  programs(cache: string): readonly ProgramName[];
  /**
   * Makes the data if there is none yet, writes the settings and says what to run. Rejects with
   * MissingProgramError or with what a program said when it failed.
   */
  prepare(place: Place): Promise<{ readonly command: Command; readonly url: string }>;
  /** What is left to do once the service answers, after every start. */
  settle?(url: string): Promise<void>;
}

export interface Place {
  /** Where data, settings and log are; absolute. */
  readonly directory: string;
  readonly port: number;
  /** What was downloaded, shared by all. */
  readonly cache: string;
}

/**
 * Makes a directory that is there completely or not at all: it is built beside its place and renamed. Builds
 * that were killed are swept up, so no two may run at once.
 */
export async function makeOnce(directory: string, build: (draft: string) => Promise<void>): Promise<void> {
  if (statSync(directory, { throwIfNoEntry: false }) !== undefined) return;
  const parent = dirname(directory);
  mkdirSync(parent, { recursive: true });
  const prefix = `${basename(directory)}.new-`;
  for (const name of readdirSync(parent)) if (name.startsWith(prefix)) remove(join(parent, name));
  const draft = mkdtempSync(join(parent, prefix));
  try {
    await build(draft);
    renameSync(draft, directory);
  } catch (error) {
    remove(draft);
    throw error;
  }
}

/** A program that is just ending may still write there, hence the retries. */
export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 10 });
}
