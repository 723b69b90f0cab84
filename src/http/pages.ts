import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';
import { createDocs } from './docs.ts';

/**
 * The directory to which `npm run build` writes the pages. The relative path is the same from `src/` and from
 * `dist/`.
 */
const builtPages = fileURLToPath(new URL('../../dist/web', import.meta.url));

const placeholder = '<script type="application/json" id="unseen-config">{}</script>';

// The editor of GraphiQL creates style elements, and creates workers from blobs. The pages load nothing from
// other hosts.
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
 * Serves `/playground` and `/demo` with their assets, and the manual at `/docs`. A page is the same for every
 * request and contains no token. `opensByLink` says whether a link from `unseen open` can open the pages. If
 * so, the pages tell a visitor without a token to use such a link.
 */
export function createPages(
  { opensByLink }: { readonly opensByLink: boolean },
  directory: string = builtPages,
) {
  const docs = createDocs();
  const config = placeholder.replace('{}', JSON.stringify({ opensByLink, hasDocs: docs.exists }));
  const pages = new Map(
    ['playground', 'demo'].map((page) => [
      `/${page}`,
      readFileSync(join(directory, page, 'index.html'), 'utf8').replace(placeholder, config),
    ]),
  );
  // With `dev`, sirv checks for every request whether the file exists. Without `dev`, a request for a file
  // that a rebuild has removed since the start would end the process.
  const assets = sirv(join(directory, 'assets'), {
    dev: true,
    etag: true,
    extensions: [],
    setHeaders: (response) => response.setHeader('cache-control', 'public, max-age=31536000, immutable'),
  });

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
    request.url = (request.url ?? '').slice('/assets'.length);
    return new Promise((resolve) => {
      response.once('close', () => resolve(true));
      assets(request, response, () => resolve(false));
    });
  };
}
