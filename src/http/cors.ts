import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Implements CORS (https://fetch.spec.whatwg.org/#http-cors-protocol) without credentials, because tokens are
 * in a header. Returns `answered` if the request was a preflight request and this function has answered it.
 */
export function allowOrigin(
  corsOrigins: readonly string[],
  request: IncomingMessage,
  response: ServerResponse,
): 'answered' | 'continue' {
  const { origin } = request.headers;
  const isAllowed = origin !== undefined && (corsOrigins.includes(origin) || corsOrigins.includes('*'));
  if (corsOrigins.length > 0) response.setHeader('vary', 'origin');
  if (isAllowed) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader(
      'access-control-expose-headers',
      'x-request-id, retry-after, ratelimit, ratelimit-policy',
    );
  }
  if (request.method !== 'OPTIONS') return 'continue';
  if (isAllowed) {
    response.setHeader('access-control-allow-methods', 'GET, POST');
    response.setHeader(
      'access-control-allow-headers',
      'authorization, content-type, apollo-require-preflight, x-request-id',
    );
    response.setHeader('access-control-max-age', '86400');
  }
  response.writeHead(204).end();
  return 'answered';
}
