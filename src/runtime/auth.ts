import type { KeySource } from '../adapters/jwt/authenticator.ts';
import { createDemoCode } from '../adapters/jwt/demo-sessions.ts';
import { signToken } from '../adapters/jwt/sign-token.ts';
import { findSecret, readOrCreateSecret } from '../adapters/local/secret.ts';
import type { Config } from '../config/config.ts';
import type { Role } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import { systemClock } from '../ports/clock.ts';

export interface RuntimeOptions {
  /**
   * Whether the process runs without permanent data. The embedded PostgreSQL then uses a temporary directory,
   * and does not wait until data is on the disk.
   */
  readonly ephemeral: boolean;
}

/**
 * Signs the token that `unseen token` prints. Rejects with START_REFUSED if an identity provider signs the
 * tokens.
 */
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
      'AUTH_JWKS_URL is set, so Unseen cannot sign tokens. Get a token from the identity provider that owns this key set.',
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

/**
 * Whether the environment configures the key that verifies tokens. Otherwise Unseen uses a secret that it has
 * generated.
 */
export function isAuthConfigured({ auth }: Config): boolean {
  return auth.secret !== undefined || auth.jwksUrl !== undefined;
}

/**
 * Creates a code that opens the demo of a server. The server must use the same data directory. Rejects with
 * START_REFUSED if authentication is configured, or if the data directory contains no secret.
 */
export function createOpenCode(config: Config): string {
  if (isAuthConfigured(config)) {
    const message =
      'AUTH_SECRET or AUTH_JWKS_URL is set, so no link opens the pages of the server. Paste a token into the page instead.';
    throw new AppError('START_REFUSED', message);
  }
  const secret = findSecret(config.dataDir);
  if (secret !== undefined) return createDemoCode({ secret, clock: systemClock });
  const message = `${config.dataDir} holds no secret. Run this command with the DATA_DIR of the server. A server started with --ephemeral prints the only link to its pages when it starts.`;
  throw new AppError('START_REFUSED', message);
}

export function describeAuth({ auth, dataDir }: Config, { ephemeral }: RuntimeOptions): string {
  if (auth.jwksUrl !== undefined) return `tokens of ${auth.jwksUrl}`;
  if (auth.secret !== undefined) return 'tokens signed with AUTH_SECRET';
  return `tokens signed with a secret of this ${ephemeral ? 'process' : `machine, in ${dataDir}/auth-secret`}`;
}
