import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';
import { answerJson } from './response.ts';

/**
 * The directory to which `npm run docs` writes the manual. The relative path is the same from `src/` and from
 * `dist/`.
 */
const builtSite = fileURLToPath(new URL('../../dist/docs', import.meta.url));

/** Serves the manual. */
export interface Docs {
  /** Whether the manual is built. */
  readonly exists: boolean;
  /** Answers a request for `/docs` or a path below `/docs`. Resolves with false for any other path. */
  serve(request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean>;
}

/** Serves the manual in `directory` at `/docs`. Checks only at this call whether the manual is built. */
export function createDocs(directory: string = builtSite): Docs {
  const exists = existsSync(join(directory, 'index.html'));
  const serveSite = exists ? siteServer(directory) : answerNotBuilt;
  return {
    exists,
    async serve(request, response, path) {
      if (path === '/docs') {
        if (exists) response.writeHead(302, { location: '/docs/' }).end();
        else await answerNotBuilt(request, response);
        return true;
      }
      if (!path.startsWith('/docs/')) return false;
      await serveSite(request, response);
      return true;
    },
  };
}

type Serve = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

async function answerNotBuilt(_request: IncomingMessage, response: ServerResponse): Promise<void> {
  answerJson(response, 404, {
    error: 'The manual is not built: run `npm run docs`, then start the server again.',
  });
}

function siteServer(directory: string): Serve {
  const headers = {
    'content-security-policy': contentSecurityPolicy(readFileSync(join(directory, 'index.html'), 'utf8')),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
  const notFound = readFileSync(join(directory, '404.html'));
  const serveFile = sirv(directory, {
    // With `dev`, sirv checks for every request whether the file exists. Without `dev`, a request for a file
    // that a rebuild has removed since the start would end the process.
    dev: true,
    etag: true,
    extensions: ['html'],
    setHeaders(response, path) {
      // The names of assets contain a digest of their content.
      const isImmutable = path.startsWith('/assets/');
      response.setHeader('cache-control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  return (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    // sirv expects a path that is relative to `/docs`.
    request.url = (request.url ?? '').slice('/docs'.length);
    return new Promise((resolve) => {
      response.once('close', resolve);
      serveFile(request, response, () => {
        response.writeHead(404, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
        response.end(notFound);
      });
    });
  };
}

/**
 * Returns a policy that allows the inline scripts of `page` by their digests. Every page of the site has the
 * same scripts. Inline styles are allowed because code blocks have their colours in style attributes.
 */
function contentSecurityPolicy(page: string): string {
  const digests = [...page.matchAll(/<script(?![^>]*\ssrc=)[^>]*>(.*?)<\/script>/gs)].map(
    ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  );
  return [
    "default-src 'self'",
    ["script-src 'self'", ...digests].join(' '),
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "object-src 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}
