import type { Config } from '../config/config.ts';

/** The address of a server with this configuration, as seen from the same machine. */
export function urlOf({ host, port }: Config): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
