import { spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** The programs the services need, and the Debian packages they come in. */
const packageOf = {
  java: 'openjdk-17-jre-headless',
  mvn: 'maven',
  'redis-server': 'redis-server',
  initdb: 'postgresql',
} as const;

export type ProgramName = keyof typeof packageOf;

/** Something has to be installed first; the message says what and how. */
export class MissingProgramError extends Error {
  constructor(readonly programs: readonly ProgramName[]) {
    const packages = packagesOf(programs).join(' ');
    super(
      `Not installed: ${programs.join(', ')}. On Debian or Ubuntu run "sudo apt-get install ${packages}", ` +
        'or, as root, this command again with --install.',
    );
    this.name = 'MissingProgramError';
  }
}

/** The path of a program. Throws MissingProgramError. */
export function findProgram(name: ProgramName): string {
  const path = directories()
    .map((directory) => join(directory, name))
    .find(isExecutable);
  if (path === undefined) throw new MissingProgramError([name]);
  return path;
}

/** Those of the programs that are not installed. */
export function missingPrograms(names: readonly ProgramName[]): readonly ProgramName[] {
  const found = directories();
  return names.filter((name) => !found.some((directory) => isExecutable(join(directory, name))));
}

/** PATH, then where Debian keeps what it does not put there; of several PostgreSQLs the newest. */
function directories(): readonly string[] {
  const root = '/usr/lib/postgresql';
  const versions = statSync(root, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(root);
  versions.sort((one, other) => Number(other) - Number(one));
  return [
    ...(process.env['PATH'] ?? '').split(delimiter).filter((path) => path !== ''),
    '/usr/bin',
    '/usr/sbin',
    ...versions.map((version) => join(root, version, 'bin')),
  ];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Installs the Debian packages of the programs. Rejects when this is not root, when there is no apt-get, and
 * with what apt-get says when it fails.
 */
export async function installPrograms(names: readonly ProgramName[]): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error(`--install needs root. ${new MissingProgramError(names).message}`);
  }
  await run('apt-get', ['-qq', 'update']);
  await run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...packagesOf(names)]);
}

const packagesOf = (names: readonly ProgramName[]) => [...new Set(names.map((name) => packageOf[name]))];

export interface RunOptions {
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** What it reads; nothing by default. */
  readonly input?: string;
  /** A directory that the program gets opened, as its descriptor 4. */
  readonly open?: string | undefined;
  /** Default ten minutes. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end, which it has to reach with exit code 0. Rejects with what it said otherwise. */
export async function run(
  program: string,
  args: readonly string[],
  { input, open, timeoutMs = 600_000, ...options }: RunOptions = {},
): Promise<string> {
  const opened = open === undefined ? undefined : openSync(open, 'r');
  try {
    const child = spawn(program, args, {
      ...options,
      timeout: timeoutMs,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['pipe', 'pipe', 'pipe', 'ignore', opened ?? 'ignore'],
    });
    // A program that ends without reading everything says why in its own words.
    child.stdin?.on('error', () => undefined).end(input);
    const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.once('error', reject).once('close', (code, signal) => resolve(code ?? signal));
    });
    const [output, complaints, end] = await Promise.all([allOf(child.stdout), allOf(child.stderr), ended]);
    if (end === 0) return output;
    throw new Error(`${program} ended with ${end}: ${lastLines(complaints.trim() || output)}`);
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

const allOf = async (stream: Readable | null) => (stream === null ? '' : text(stream));

/** What a program said last, which is where it says why it ended. */
export const lastLines = (output: string) => output.trim().split('\n').slice(-20).join('\n');
