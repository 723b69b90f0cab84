import type { openStore } from '../runtime/backends.ts';

/**
 * Opens the store that the environment configures, runs `work`, and closes the store even if `work` fails.
 */
export async function withStore(
  work: (opened: Awaited<ReturnType<typeof openStore>>) => Promise<void>,
): Promise<void> {
  const { readConfig } = await import('../config/config.ts');
  const { openStore } = await import('../runtime/backends.ts');
  const opened = await openStore(readConfig());
  await work(opened).finally(opened.close);
}
