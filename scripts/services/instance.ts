import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { isAlive, launch, type ProcessId, readRecord, stop } from './process.ts';
import { lastLines } from './programs.ts';
import type { Recipe } from './recipe.ts';
import { freePort, messageOf, waitUntilReady, whyNotReady } from './service.ts';

/** A running service that we started. */
export interface Instance {
  readonly url: string;
  readonly process: ProcessId;
}

const startTimeoutMs = 60_000;
const attempts = 3;

/** The file with the data that any process needs to find the instance. */
const stateFile = (directory: string) => join(directory, 'instance.json');
/** The file with the process id. The instance writes the file, and `stopInstance` removes the file. */
export const recordFile = (directory: string) => join(directory, 'process');

const state = z.object({ url: z.string(), port: z.number() });

function readState(directory: string): z.output<typeof state> | undefined {
  try {
    return state.parse(JSON.parse(readFileSync(stateFile(directory), 'utf8')));
  } catch {
    // The instance never started. If its starter was killed while writing this file, the instance did not
    // start either.
    return undefined;
  }
}

/**
 * Returns the instance that runs on a directory, even if the instance is not ready. Ignores a record of an
 * ended process.
 */
export function findInstance(directory: string): Instance | undefined {
  const process = readRecord(recordFile(directory));
  const url = readState(directory)?.url;
  return process !== undefined && url !== undefined && isAlive(process) ? { url, process } : undefined;
}

export interface StartOptions {
  readonly directory: string;
  readonly cache: string;
  /**
   * The port. Defaults to the previous port of the instance. If that port is in use, the default is any free
   * port.
   */
  readonly port?: number | undefined;
}

/**
 * Starts an instance on a directory without a running instance. Resolves when the instance is ready. Rejects
 * with MissingProgramError, or with the last lines of the program's output.
 */
export async function startInstance(recipe: Recipe, options: StartOptions): Promise<Instance> {
  const directory = resolve(options.directory);
  mkdirSync(directory, { recursive: true });
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort(readState(directory)?.port));
    const { command, url } = await recipe.prepare({ directory, port, cache: resolve(options.cache) });
    writeFileSync(stateFile(directory), JSON.stringify({ url, port }), { mode: 0o600 });
    const { ended, output } = launch(command, {
      recordFile: recordFile(directory),
      logFile: join(directory, 'log'),
    });
    const failed = (reason: string, cause?: unknown) =>
      new Error(`${recipe.name} failed to start: ${reason}\n${lastLines(output())}`, { cause });
    try {
      await waitUntilReady(
        () => whyNotReady(recipe.name, url),
        startTimeoutMs,
        () => {
          // If our program has ended, the answer comes from another program that took the port first.
          const end = ended();
          if (end !== undefined) throw new Error(end);
        },
      );
      await recipe.settle?.(url);
    } catch (error) {
      const isPassing = ended() !== undefined && /already in use|still in use/i.test(output());
      if (isPassing && attempt < attempts) {
        await delay(500);
        continue;
      }
      const started = findInstance(directory);
      if (started !== undefined) await stopInstance(recipe, directory, started);
      throw failed(messageOf(error), error);
    }
    const started = findInstance(directory);
    if (started === undefined) throw failed('the program left no record');
    return started;
  }
}

/** Stops an instance and removes its record. The data stays. */
export async function stopInstance(recipe: Recipe, directory: string, instance: Instance): Promise<void> {
  await stop(instance.process, recipe.stopSignal);
  rmSync(recordFile(directory), { force: true });
}
