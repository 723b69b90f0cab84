import { Argument, type Command } from 'commander';
import { AppError } from '../domain/error.ts';
import { urlOf } from './server-url.ts';

export function register(program: Command): void {
  program
    .command('open')
    .description(
      'Print a link that opens a page of the running server. The link works once, within 10 minutes. Requires the DATA_DIR of the server.',
    )
    .addArgument(new Argument('[page]', 'the page to open').choices(['demo', 'playground']).default('demo'))
    .option('--url <url>', 'the address of the server (default: the address in HOST and PORT)')
    .action(printLink);
}

async function printLink(page: string, { url }: { readonly url?: string }): Promise<void> {
  const { readConfig } = await import('../config/config.ts');
  const { createOpenCode } = await import('../runtime/auth.ts');
  const config = readConfig();
  const code = createOpenCode(config);
  const server = url ?? urlOf(config);
  // Checks that the server is already running, because the server refuses codes that were created before its
  // start.
  await fetch(`${server}/healthz`, { signal: AbortSignal.timeout(5_000) }).catch((cause: unknown) => {
    const message = `No server answers at ${server}. Start one with \`unseen start\`, or name its address with --url.`;
    throw new AppError('START_REFUSED', message, { cause });
  });
  console.log(`${server}/${page}#${code}`);
}
