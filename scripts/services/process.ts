import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A process that is not mistaken for a later one with the same number. */
export interface ProcessId {
  readonly pid: number;
  /** When it began, in whatever form the system says it; with the boot it belongs to, where that is known. */
  readonly started: string;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** The user it runs as; undefined for this process's own. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  /** A directory that the program gets opened, as its descriptor 4. */
  readonly open?: string | undefined;
}

const isLinux = process.platform === 'linux';
const environment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
const maxLogBytes = 1_000_000;

/**
 * Shell that says the identity of the process whose number is in the variable, in the form of `ProcessId`.
 */
export const sayIdentity = (variable: string) =>
  isLinux
    ? `echo "${variable} $(cat /proc/sys/kernel/random/boot_id):$(cut -d ' ' -f 22 /proc/${variable}/stat)"`
    : `echo "${variable} $(ps -o lstart= -p ${variable})"`;

// It writes its own number and start, before it becomes the program: however soon its starter is killed, it
// is on record.
const launcher = `${sayIdentity('$$')} >&3; exec "$@" 3>&-`;

/**
 * Starts a program that outlives this process, as the leader of a process group, with its output appended to
 * `logFile` and its identity in `recordFile`. `ended()` is how it ended, undefined while it runs; `output()`
 * what it has said so far.
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

/** What a record file says; undefined when there is none, or nothing in it. */
export function readRecord(recordFile: string): ProcessId | undefined {
  const [, pid, started] = /^(\d+) (.+)\n$/.exec(read(recordFile) ?? '') ?? [];
  return pid === undefined || started === undefined
    ? undefined
    : { pid: Number(pid), started: started.trim() };
}

/**
 * Resolves once no program is about to write its record: one whose starter was killed right after starting it
 * leaves an empty file for a moment.
 */
export async function recordWritten(recordFile: string, timeoutMs = 1_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (sizeOf(recordFile) === 0 && performance.now() < deadline) await delay(20);
}

/** The identity of a running process; undefined when there is none, or only a zombie nobody reaps. */
export function identify(pid: number): ProcessId | undefined {
  const fields = isLinux ? fieldsOf(pid) : fieldsFromPs(pid);
  return fields === undefined || fields.state.startsWith('Z') ? undefined : { pid, started: fields.started };
}

/** Whether it runs, and is no later process with the same number. */
export function isAlive({ pid, started }: ProcessId): boolean {
  return identify(pid)?.started === started;
}

/**
 * Sends the signal to the whole process group and to all children. PostgreSQL's children have groups of their
 * own. For signals that cannot be caught, and SIGCONT.
 */
export function signalAll(
  target: ProcessId,
  signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT',
): readonly ProcessId[] {
  if (!isAlive(target)) return [];
  // A stopped parent makes no new children. It may have been just about to, hence the second look.
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
 * Asks the program to end, and kills what is left of it after the grace time. Resolves when it is gone.
 * Rejects when even that does not end it.
 */
export async function stop(target: ProcessId, signal: NodeJS.Signals, graceMs = 10_000): Promise<void> {
  if (!isAlive(target)) return;
  signalAll(target, 'SIGCONT');
  send(target.pid, signal);
  if (await gone([target], graceMs)) return;
  if (await gone(signalAll(target, 'SIGKILL'), graceMs)) return;
  throw new Error(`process ${target.pid} does not end`);
}

/** Sends a signal to the program itself. */
export function signalTo(target: ProcessId, signal: NodeJS.Signals): void {
  if (isAlive(target)) send(target.pid, signal);
}

/** Waits until none of them runs; false when one still does after `timeoutMs`. */
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
    // Gone already.
  }
}

interface Fields {
  readonly state: string;
  readonly parent: number;
  readonly started: string;
}

/**
 * From /proc/PID/stat (proc(5)): behind the name in parentheses, which may hold anything, state is field 3.
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

/** The children of a process, zombies excluded. */
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
