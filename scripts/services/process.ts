import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** The identity of a process. The identity differs from that of a later process with the same number. */
export interface ProcessId {
  readonly pid: number;
  /** The start time in the format of the system, with the id of the boot if the id is known. */
  readonly started: string;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** The user that the program runs as. Undefined means the user of this process. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  /** A directory that the program gets as its open descriptor 4. */
  readonly open?: string | undefined;
}

const isLinux = process.platform === 'linux';
const environment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
const maxLogBytes = 1_000_000;

/**
 * Returns a shell command that prints the identity of a process in the format of `ProcessId`. `variable` is
 * the shell variable with the process number.
 */
export const sayIdentity = (variable: string) =>
  isLinux
    ? `echo "${variable} $(cat /proc/sys/kernel/random/boot_id):$(cut -d ' ' -f 22 /proc/${variable}/stat)"`
    : `echo "${variable} $(ps -o lstart= -p ${variable})"`;

// The shell writes its own number and start time before it becomes the program. The record therefore exists
// even if the starter is killed at once.
const launcher = `${sayIdentity('$$')} >&3; exec "$@" 3>&-`;

/**
 * Starts a program that outlives this process, as the leader of a process group. The output is appended to
 * `logFile`, and the identity is written to `recordFile`. `ended()` returns how the program ended, or
 * undefined while the program runs. `output()` returns the output so far.
 */
export function launch(
  { program, args, directory, account, open }: Command,
  { recordFile, logFile }: { readonly recordFile: string; readonly logFile: string },
): { ended(): string | undefined; output(): string } {
  if ((sizeOf(logFile) ?? 0) > maxLogBytes) renameSync(logFile, `${logFile}.1`);
  const saidBefore = sizeOf(logFile) ?? 0;
  const log = openSync(logFile, 'a', 0o600);
  const record = openSync(recordFile, 'w', 0o600);
  const opened = open === undefined ? undefined : openSync(open, 'r');
  try {
    const child = spawn('/bin/sh', ['-c', launcher, 'sh', program, ...args], {
      ...account,
      cwd: directory,
      detached: true,
      env: environment,
      stdio: ['ignore', log, log, record, ...(opened === undefined ? [] : [opened])],
    });
    child.unref();
    let problem: string | undefined;
    child.once('error', ({ message }) => {
      problem = message;
    });
    child.once('exit', (code, signal) => {
      problem = `ended with ${code ?? signal}`;
    });
    return { ended: () => problem, output: () => readFileSync(logFile).subarray(saidBefore).toString() };
  } finally {
    closeSync(log);
    closeSync(record);
    if (opened !== undefined) closeSync(opened);
  }
}

const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size;

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Returns the identity in a record file. Undefined if the file is missing or empty. */
export function readRecord(recordFile: string): ProcessId | undefined {
  const [, pid, started] = /^(\d+) (.+)\n$/.exec(read(recordFile) ?? '') ?? [];
  return pid === undefined || started === undefined
    ? undefined
    : { pid: Number(pid), started: started.trim() };
}

/**
 * Resolves when the record file is complete. A program that has just started leaves its record file empty for
 * a moment, even if its starter is killed in that moment.
 */
export async function recordWritten(recordFile: string, timeoutMs = 1_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (sizeOf(recordFile) === 0 && performance.now() < deadline) await delay(20);
}

/** Returns the identity of a running process. Undefined if no such process runs, or only a zombie is left. */
export function identify(pid: number): ProcessId | undefined {
  const fields = isLinux ? fieldsOf(pid) : fieldsFromPs(pid);
  return fields === undefined || fields.state.startsWith('Z') ? undefined : { pid, started: fields.started };
}

/** Returns whether the process runs and is not a later process with the same number. */
export function isAlive({ pid, started }: ProcessId): boolean {
  return identify(pid)?.started === started;
}

/**
 * Sends the signal to the process group and to all children, because PostgreSQL's children have their own
 * groups. Use it only for SIGCONT and for signals that a program cannot catch.
 */
export function signalAll(
  target: ProcessId,
  signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT',
): readonly ProcessId[] {
  if (!isAlive(target)) return [];
  // A stopped parent creates no new children. The second search finds a child that the parent created just
  // before it stopped.
  send(-target.pid, 'SIGSTOP');
  const children = new Map<number, ProcessId>();
  for (let look = 0; look < 2; look += 1) {
    for (const child of childrenOf(target.pid)) {
      if (!children.has(child.pid)) send(child.pid, signal);
      children.set(child.pid, child);
    }
  }
  send(-target.pid, signal);
  return [target, ...children.values()];
}

/**
 * Asks the program to end, and kills it and its children after the grace time. Resolves when the processes
 * have ended. Rejects if a process survives.
 */
export async function stop(target: ProcessId, signal: NodeJS.Signals, graceMs = 10_000): Promise<void> {
  if (!isAlive(target)) return;
  signalAll(target, 'SIGCONT');
  send(target.pid, signal);
  if (await gone([target], graceMs)) return;
  if (await gone(signalAll(target, 'SIGKILL'), graceMs)) return;
  throw new Error(`process ${target.pid} survived SIGKILL`);
}

/** Sends a signal to the first process only. */
export function signalTo(target: ProcessId, signal: NodeJS.Signals): void {
  if (isAlive(target)) send(target.pid, signal);
}

/** Waits until none of the processes runs. Returns false if a process still runs after `timeoutMs`. */
export async function gone(processes: readonly ProcessId[], timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (processes.some(isAlive)) {
    if (performance.now() > deadline) return false;
    await delay(20);
  }
  return true;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has already ended.
  }
}

interface Fields {
  readonly state: string;
  readonly parent: number;
  readonly started: string;
}

/**
 * Reads /proc/PID/stat (proc(5)). The state is field 3, after the name in parentheses, which may contain any
 * characters.
 */
function fieldsOf(pid: number): Fields | undefined {
  const fields = read(`/proc/${pid}/stat`)?.replace(/.*\) /s, '').split(' ');
  const boot = read('/proc/sys/kernel/random/boot_id')?.trim();
  if (fields === undefined) return undefined;
  return { state: fields[0] ?? '', parent: Number(fields[1]), started: `${boot}:${fields[19]}` };
}

function fieldsFromPs(pid: number): Fields | undefined {
  try {
    const args = ['-o', 'stat=,ppid=,lstart=', '-p', String(pid)];
    const line = execFileSync('ps', args, { encoding: 'utf8', env: environment }).trim();
    const [, state = '', parent, started = ''] = /^(\S+)\s+(\d+)\s+(.+)$/.exec(line) ?? [];
    return { state, parent: Number(parent), started };
  } catch {
    return undefined;
  }
}

/** Returns the children of a process, without zombies. */
export function childrenOf(parent: number): readonly ProcessId[] {
  const pids = isLinux
    ? readdirSync('/proc').filter((name) => /^\d+$/.test(name) && fieldsOf(Number(name))?.parent === parent)
    : execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
        .split('\n')
        .flatMap((line) => {
          const [pid, ppid] = line.trim().split(/\s+/);
          return pid !== undefined && Number(ppid) === parent ? [pid] : [];
        });
  return pids.flatMap((pid) => identify(Number(pid)) ?? []);
}
