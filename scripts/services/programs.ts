import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, constants, openSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

interface Program {
  /** The product to install if the machine has neither apt-get nor Homebrew. */
  readonly product: string;
  /** The package of Debian and Ubuntu. */
  readonly debian: string;
  /** The formula or cask of Homebrew. */
  readonly brew: string;
  /** Other file names of the program. */
  readonly aliases?: readonly string[];
  /** An environment variable that may hold the path. */
  readonly variable?: string;
}

const programs = {
  java: { product: 'Java 17 or newer', debian: 'default-jre-headless', brew: 'openjdk' },
  mvn: { product: 'Maven', debian: 'maven', brew: 'maven' },
  'redis-server': { product: 'Redis 7 or newer', debian: 'redis-server', brew: 'redis' },
  initdb: { product: 'PostgreSQL 15 or newer', debian: 'postgresql', brew: 'postgresql@18' },
  chromium: {
    product: 'Chromium or Google Chrome (CHROMIUM may hold its path)',
    debian: 'chromium',
    brew: 'chromium',
    aliases: [
      'chromium-browser',
      'google-chrome',
      'google-chrome-stable',
      'chrome',
      'Chromium',
      'Google Chrome',
    ],
    variable: 'CHROMIUM',
  },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof programs;

const definitionOf = (name: ProgramName): Program => programs[name];

/**
 * Thrown if programs are not installed. The message names the programs and the command that installs them.
 */
export class MissingProgramError extends Error {
  constructor(readonly programs: readonly ProgramName[]) {
    super(`Not installed: ${programs.join(', ')}. Run: npm run services -- install`);
    this.name = 'MissingProgramError';
  }
}

/** Returns the path of a program. Throws MissingProgramError. */
export function findProgram(name: ProgramName): string {
  const path = pathOf(name);
  if (path === undefined) throw new MissingProgramError([name]);
  return path;
}

/** Returns the programs that are not installed. */
export function missingPrograms(names: readonly ProgramName[]): readonly ProgramName[] {
  return names.filter((name) => pathOf(name) === undefined);
}

function pathOf(name: ProgramName): string | undefined {
  const { aliases = [], variable } = definitionOf(name);
  const given = variable === undefined ? undefined : process.env[variable];
  if (given) return isExecutable(given) ? given : undefined;
  const found = directories();
  return [name, ...aliases]
    .flatMap((file) => found.map((directory) => join(directory, file)))
    .find(isExecutable);
}

/**
 * Returns the directories to search: PATH, and the directories that Homebrew and Debian leave out of PATH. If
 * several versions of PostgreSQL are installed, the directory of the newest version comes first.
 */
function directories(): readonly string[] {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  // The java on the PATH of macOS only explains how to install Java, so Homebrew's directories come first.
  if (process.platform === 'darwin') return [...homebrewDirectories(), ...path, ...applications];
  const root = '/usr/lib/postgresql';
  const versions = statSync(root, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(root);
  versions.sort((one, other) => Number(other) - Number(one));
  return [...path, '/usr/bin', '/usr/sbin', ...versions.map((version) => join(root, version, 'bin'))];
}

const homebrewDirectories = () =>
  ['/opt/homebrew/opt', '/usr/local/opt'].flatMap((root) =>
    Object.values(programs).map(({ brew }) => join(root, brew, 'bin')),
  );

const applications = ['Chromium', 'Google Chrome'].map((name) => `/Applications/${name}.app/Contents/MacOS`);

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * A shell script that installs the packages in its arguments. If apt-get does not know a package, the script
 * reports and skips this package.
 */
const aptScript = `
set -e
trap 'exit 1' HUP INT TERM
# Debian would start the services on their usual ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get -qq update
known=
for package; do
  if apt-cache show "$package" > /dev/null 2>&1; then known="$known $package"
  else echo "apt-get has no package $package" >&2; fi
done
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $known > /dev/null
`;

/**
 * Installs programs with apt-get (as root or with sudo) or with Homebrew. Starts no service. Rejects if the
 * package manager fails. If the machine has no package manager, rejects with the products to install by hand.
 */
export async function installPrograms(names: readonly ProgramName[]): Promise<void> {
  const packages = (manager: 'debian' | 'brew') => [
    ...new Set(names.map((name) => definitionOf(name)[manager])),
  ];
  if (isOnPath('apt-get')) {
    const install = ['sh', '-c', aptScript, 'sh', ...packages('debian')];
    if (process.getuid?.() === 0) await runAloud(install);
    else if (isOnPath('sudo')) await runAloud(['sudo', ...install]);
    else
      throw new Error(
        `Only root can install programs without sudo. Run as root: apt-get install ${packages('debian').join(' ')}`,
      );
  } else if (isOnPath('brew')) {
    await runAloud(['brew', 'install', ...packages('brew')]);
  }
  const missing = missingPrograms(names);
  if (missing.length === 0) return;
  const products = missing.map((name) => `  ${name}: ${definitionOf(name).product}`);
  throw new Error(`Install these programs so that they are on PATH:\n${products.join('\n')}`);
}

function isOnPath(file: string): boolean {
  return directories().some((directory) => isExecutable(join(directory, file)));
}

/** Runs a program in the terminal of this process, with all its output on standard error. */
async function runAloud([program = '', ...args]: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['inherit', process.stderr, process.stderr] });
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ended with ${code ?? signal}`);
}

export interface RunOptions {
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** The input of the program. Defaults to no input. */
  readonly input?: string;
  /** A directory that the program gets as its open descriptor 4. */
  readonly open?: string | undefined;
  /** Defaults to ten minutes. */
  readonly timeoutMs?: number;
}

/** Runs a program and resolves with its output. Rejects with its last lines if the exit code is not 0. */
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
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['pipe', 'pipe', 'pipe', 'ignore', opened ?? 'ignore'],
    });
    // If a program ends before it has read its input, writing the input fails. The output of the program
    // contains the reason, so this error is ignored.
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

/** Returns the last 20 lines of the output, which contain the reason why a program ended. */
export const lastLines = (output: string) => output.trim().split('\n').slice(-20).join('\n');
