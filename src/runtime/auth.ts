import type { KeySource } from '../adapters/jwt/authenticator.ts';
import { createDemoCode } from '../adapters/jwt/demo-sessions.ts';
import { signToken } from '../adapters/jwt/sign-token.ts';
import { findSecret, readOrCreateSecret } from '../adapters/local/secret.ts';
import type { Config } from '../config/config.ts';
import type { Role } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import { systemClock } from '../ports/clock.ts';

export interface RuntimeOptions {
  /** Keeps nothing: an embedded Postgres in a temporary directory, without waiting for the disk. */
  readonly ephemeral: boolean;
}

/** A token as `unseen token` prints it. Rejects with START_REFUSED when tokens are signed elsewhere. */
export async function createToken(
  config: Config,
  token: {
    readonly subject: string;
    readonly role: Role;
    readonly tenantId: string;
    readonly expiresIn: string;
  },
): Promise<string> {
  const keys = keySource(config, { ephemeral: false });
  if (!('secret' in keys)) {
    throw new AppError(
      'START_REFUSED',
      `Tokens are signed by the issuer behind AUTH_JWKS_URL; get one there.`,
    );
  }
  const { issuer, audience } = config.auth;
  return signToken(keys.secret, { ...token, issuer, audience });
}

export function keySource({ auth, dataDir }: Config, { ephemeral }: RuntimeOptions): KeySource {
  if (auth.jwksUrl !== undefined) return { jwksUrl: auth.jwksUrl };
  if (auth.secret !== undefined) return { secret: auth.secret };
  return { secret: ephemeral ? crypto.randomUUID() + crypto.randomUUID() : readOrCreateSecret(dataDir) };
}

/** Whether the environment says who signs tokens; otherwise a secret of ours does. */
export function isAuthConfigured({ auth }: Config): boolean {
  return auth.secret !== undefined || auth.jwksUrl !== undefined;
}

/**
 * A code that opens the demo of the server which runs on the same data directory. Rejects with START_REFUSED when there is
 * none, or its tokens are signed elsewhere.
 */
export function createOpenCode(config: Config): string {
  if (isAuthConfigured(config)) {
    const message =
      'AUTH_SECRET or AUTH_JWKS_URL is set, so the server has its own sign-in and its pages open by no link. Paste a token into the page.';
    throw new AppError('START_REFUSED', message);
  }
  const secret = findSecret(config.dataDir);
  if (secret !== undefined) return createDemoCode({ secret, clock: systemClock });
  const message = `${config.dataDir} holds no secret. Run this with the DATA_DIR of the server; one started with --ephemeral has none and prints its only link itself.`;
  throw new AppError('START_REFUSED', message);
}

export function describeAuth({ auth, dataDir }: Config, { ephemeral }: RuntimeOptions): string {
  if (auth.jwksUrl !== undefined) return `tokens of ${auth.jwksUrl}`;
  if (auth.secret !== undefined) return 'tokens signed with AUTH_SECRET';
  return `tokens signed with a secret of this ${ephemeral ? 'process' : `machine, in ${dataDir}/auth-secret`}`;
}
