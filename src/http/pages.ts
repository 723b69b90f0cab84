import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';
import { createDocs } from './docs.ts';

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

/**
 * Serves `/playground`, `/demo` and what they load, and the manual at `/docs`. Pages are the same for every request and carry
 * no token. `opensByLink`: whether they can be opened by a link, which is what they then tell a visitor without a token.
 */
export function createPages({ opensByLink }: { readonly opensByLink: boolean }) {
  const docs = createDocs();
  const config = placeholder.replace('{}', JSON.stringify({ opensByLink, hasDocs: docs.exists }));
  const pages = new Map(
    ['playground', 'demo'].map((page) => [
      `/${page}`,
      readFileSync(join(directory, page, 'index.html'), 'utf8').replace(placeholder, config),
    ]),
  );
  const assets = sirv(directory, { etag: true, immutable: true, maxAge: 31_536_000, extensions: [] });

  return async (request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean> => {
    const html = pages.get(path.replace(/\/$/, ''));
    if (html !== undefined) {
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': contentSecurityPolicy,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
      response.end(html);
      return true;
    }
    if (await docs.serve(request, response, path)) return true;
    if (!path.startsWith('/assets/')) return false;
    response.setHeader('x-content-type-options', 'nosniff');
    return new Promise((resolve) => {
      response.once('close', () => resolve(true));
      assets(request, response, () => resolve(false));
    });
  };
}
