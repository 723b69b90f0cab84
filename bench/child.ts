import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A process of the bench that answers calls. */
export interface Child<Ready> {
  /** The data of the ready message. */
  readonly ready: Ready;
  call<T>(name: string, argument?: unknown): Promise<T>;
  /** Stops the process. Resolves when the process has ended. */
  stop(): Promise<void>;
}

export interface ChildOptions {
  /** A command that runs the child's command, for example on a certain core. */
  readonly prefix?: readonly string[];
  readonly nodeOptions?: readonly string[];
}

/** A message from a child. */
export type Reply =
  | { readonly ready: object }
  | { readonly id: number; readonly value?: unknown; readonly error?: string };

const running = new Set<ChildProcess>();

/**
 * Starts `script` with `options` as its argument. Resolves when the child reports that it is ready. The child
 * ends with this process.
 */
export async function startChild<Ready>(
  script: string,
  options: unknown,
  { prefix = [], nodeOptions = [] }: ChildOptions = {},
): Promise<Child<Ready>> {
  const [command = '', ...args] = [
    ...prefix,
    process.execPath,
    ...nodeOptions,
    script,
    JSON.stringify(options),
  ];
  const child = spawn(command, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  running.add(child);
  const exited = once(child, 'exit').finally(() => running.delete(child));
  const calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let ids = 0;

  const ready = await new Promise<unknown>((resolve, reject) => {
    child.once('error', reject);
    void exited.then(([code, signal]) => {
      const error = new Error(`${script} ended with ${signal ?? code}.`);
      reject(error);
      for (const call of calls.values()) call.reject(error);
    });
    child.on('message', (reply: Reply) => {
      if ('ready' in reply) return resolve(reply.ready);
      const call = calls.get(reply.id);
      calls.delete(reply.id);
      if (reply.error === undefined) call?.resolve(reply.value);
      else call?.reject(new Error(reply.error));
    });
  });

  return {
    ready: ready as Ready,
    call: (name, argument) =>
      new Promise((resolve, reject) => {
        ids += 1;
        calls.set(ids, { resolve: resolve as (value: unknown) => void, reject });
        child.send({ id: ids, name, argument });
      }),
    async stop() {
      calls.clear();
      if (child.connected) child.disconnect();
      const timeout = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await exited;
      clearTimeout(timeout);
    },
  };
}

/** Kills every running child. */
export function killChildren(): void {
  for (const child of running) child.kill('SIGKILL');
}
