import type { IncomingMessage } from 'node:http';
import { AppError } from '../domain/error.ts';
import type { DemoSessions } from '../ports/demo-sessions.ts';
import { readJsonBody } from './body.ts';
import type { RateLimit } from './rate-limit.ts';

/** The body holds only one code. */
const maxBodyBytes = 1_000;

/** Exchanges the code of a link for a token. Throws UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT or RATE_LIMITED. */
export type DemoEndpoint = (request: IncomingMessage) => Promise<{ readonly token: string }>;

/**
 * Answers `POST /demo/session`. `sessions` is undefined if authentication is configured, and the endpoint
 * then refuses every code.
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
 * protects the token. This check only keeps pages of other sites from starting sessions here. Browsers omit
 * Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) over plain HTTP unless the host is local.
 */
function isSameSite({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  return headers.origin === undefined || headers.origin.replace(/^https?:\/\//, '') === headers.host;
}
