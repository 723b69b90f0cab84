import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';

/** Tokens that pages carry so that a first visit needs none; only while authentication is not configured. */
export interface PageTokens {
  readonly userToken: string;
  readonly serviceToken: string;
  readonly userId: string;
}

/** Built by `npm run build`, beside the compiled server; found from `src/` as well. */
const directory = fileURLToPath(new URL('../../dist/web', import.meta.url));

const placeholder = '<script type="application/json" id="unseen-config">{}</script>';

// GraphiQL's editor makes style elements and workers from blobs; nothing is loaded from elsewhere.
const contentSecurityPolicy = [
  "default-src 'self'",
  "connect-src 'self' ws: wss:",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "worker-src 'self' blob:",
  "font-src 'self' data:",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** Serves `/playground`, `/demo` and what they load. */
export function createPages({ tokens }: { readonly tokens: (() => Promise<PageTokens>) | undefined }) {
  const pages = new Map(
    ['playground', 'demo'].map((page) => [
      `/${page}`,
      readFileSync(join(directory, page, 'index.html'), 'utf8'),
    ]),
  );
  const assets = sirv(directory, { etag: true, immutable: true, maxAge: 31_536_000, extensions: [] });

  return async (request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean> => {
    const html = pages.get(path.replace(/\/$/, ''));
    if (html !== undefined) {
      const config = tokens && isLocal(request) ? await tokens() : {};
      const json = JSON.stringify(config).replaceAll('<', '\\u003c');
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': contentSecurityPolicy,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
      response.end(html.replace(placeholder, () => placeholder.replace('{}', json)));
      return true;
    }
    if (!path.startsWith('/assets/')) return false;
    response.setHeader('x-content-type-options', 'nosniff');
    return new Promise((resolve) => {
      response.once('close', () => resolve(true));
      assets(request, response, () => resolve(false));
    });
  };
}

/**
 * Whether the request was made on this machine to this machine. A page of somebody else's that had its name point here
 * (DNS rebinding) would send that name as the host, and gets no token.
 */
function isLocal({ socket, headers }: IncomingMessage): boolean {
  const isLoopback = /^(127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? '');
  return isLoopback && /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i.test(headers.host ?? '');
}
