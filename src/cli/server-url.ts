import type { Config } from '../config/config.ts';

/** Where a server with this configuration is reached from its own machine. */
export function urlOf({ host, port }: Config): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
