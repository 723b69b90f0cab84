import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Command } from './process.ts';
import type { ProgramName } from './programs.ts';
import type { ServiceName } from './service.ts';

/** The steps that set up and start a service. */
export interface Recipe {
  readonly name: ServiceName;
  /** The signal that stops the program gracefully, even while clients are connected. */
  readonly stopSignal: NodeJS.Signals;
  /** Returns the required programs, which depend on the downloads that are already in `cache`. */
  programs(cache: string): readonly ProgramName[];
  /**
   * Creates the data if it is missing, writes the settings and resolves with the command to run. Rejects with
   * MissingProgramError, or with the output of a program that failed.
   */
  prepare(place: Place): Promise<{ readonly command: Command; readonly url: string }>;
  /** Completes the start after the service has answered. Called after every start. */
  settle?(url: string): Promise<void>;
}

export interface Place {
  /** The absolute directory of data, settings and log. */
  readonly directory: string;
  readonly port: number;
  /** The directory of downloads, shared by all instances. */
  readonly cache: string;
}

/**
 * Creates a directory completely or not at all. `build` fills a draft next to the directory, and then the
 * function renames the draft. The function removes drafts of killed builds, so only one build may run at a
 * time.
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

/**
 * Removes a directory. A program that is about to end may still write files into the directory, so the
 * function retries the removal.
 */
export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 10 });
}
