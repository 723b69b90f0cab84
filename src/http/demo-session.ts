import type { IncomingMessage } from 'node:http';
import { AppError } from '../domain/error.ts';
import type { DemoSessions } from '../ports/demo-sessions.ts';
import { readJsonBody } from './body.ts';
import type { RateLimit } from './rate-limit.ts';

/** The body has only one field, the code. */
const maxBodyBytes = 1_000;

/** Exchanges the code of a link for a token. Throws UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT or RATE_LIMITED. */
export type DemoEndpoint = (request: IncomingMessage) => Promise<{ readonly token: string }>;

/**
 * Answers `POST /demo/session`. If authentication is configured, `sessions` is undefined and the endpoint
 * refuses every code.
 */
export function createDemoEndpoint({
  sessions,
  rateLimit,
}: {
  readonly sessions: DemoSessions | undefined;
  readonly rateLimit: RateLimit;
}): DemoEndpoint {
  return async (request) => {
    if (!sessions)
      throw new AppError(
        'FORBIDDEN',
        'Authentication is configured, so this server issues no tokens. Paste a token into the page.',
      );
    if (!isSameSite(request))
      throw new AppError('FORBIDDEN', 'Only a page of this server may redeem the code of a link.');
    const { body } = await readJsonBody(request, maxBodyBytes);
    const { code } = body as { readonly code?: unknown };
    if (typeof code !== 'string') throw new AppError('BAD_USER_INPUT', 'Send {"code": "…"}.');
    try {
      return { token: await sessions.redeem(code) };
    } catch (error) {
      rateLimit.countRefusal(error, request.socket.remoteAddress);
      throw error;
    }
  };
}

/**
 * Whether the request comes from a page of this server, or from a client that is not a browser. The code
 * already protects the token. The check of this function only prevents pages of other sites from starting a
 * session in the browser of a visitor. Over plain HTTP, browsers send Sec-Fetch-Site
 * (https://www.w3.org/TR/fetch-metadata/) only to local hosts.
 */
function isSameSite({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  return headers.origin === undefined || headers.origin.replace(/^https?:\/\//, '') === headers.host;
}
