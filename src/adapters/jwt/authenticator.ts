import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { type Caller, type Role, roles } from '../../domain/caller.ts';
import { AppError } from '../../domain/error.ts';
import { name, tenantId } from '../../events/text.ts';
import { type Authenticator, expiredMessage } from '../../ports/authenticator.ts';
import type { Clock } from '../../ports/clock.ts';

/** Who signs tokens: a shared secret (HS256) or an issuer that publishes its keys (RFC 7517). */
export type KeySource = { readonly secret: string } | { readonly jwksUrl: string };

/** What we read of a token (RFC 7519); other claims are ignored. */
const claims = z.object({
  sub: name,
  tenant: tenantId.default('default'),
  role: z.enum(roles).default('user'),
  // The last moment a Date can hold, in seconds.
  exp: z.number().max(8.64e12),
});

const asymmetric = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/**
 * Verifies JWTs. A verified token is remembered until it expires (at most 10 000 at a time): verifying costs more than
 * the rest of a small request. A token whose key is withdrawn is therefore good until its `exp`.
 */
export function createJwtAuthenticator(
  { keys, clock }: { readonly keys: KeySource; readonly clock: Clock },
  expected: { readonly issuer?: string | undefined; readonly audience?: string | undefined } = {},
): Authenticator {
  const verified = new LRUCache<string, Caller>({ max: 10_000 });
  const verify = createVerify(keys);

  return {
    async authenticate(token) {
      const now = clock.now();
      const known = verified.get(token);
      if (known) {
        if (known.expiresAt > now) return known;
        verified.delete(token);
        throw new AppError('UNAUTHENTICATED', expiredMessage);
      }
      const payload = await verify(token, {
        currentDate: now,
        requiredClaims: ['sub', 'exp'],
        ...(expected.issuer !== undefined && { issuer: expected.issuer }),
        ...(expected.audience !== undefined && { audience: expected.audience }),
      }).catch((error: unknown) => {
        throw refusalOf(error);
      });
      const parsed = claims.safeParse(payload);
      if (!parsed.success) {
        const what = parsed.error.issues
          .map((issue) => `${issue.path.join('.')} ${issue.message}`)
          .join('; ');
        throw new AppError('UNAUTHENTICATED', `The token's claims are not usable: ${what}.`);
      }
      const { sub, tenant, role, exp } = parsed.data;
      const caller = Object.freeze({ tenantId: tenant, subject: sub, role, expiresAt: new Date(exp * 1000) });
      verified.set(token, caller);
      return caller;
    },
  };
}

type VerifyOptions = Parameters<typeof jwtVerify>[2];

function createVerify(keys: KeySource): (token: string, options: VerifyOptions) => Promise<JWTPayload> {
  if ('secret' in keys) {
    const key = new TextEncoder().encode(keys.secret);
    return async (token, options) =>
      (await jwtVerify(token, key, { ...options, algorithms: ['HS256'] })).payload;
  }
  const set: JWTVerifyGetKey = createRemoteJWKSet(new URL(keys.jwksUrl));
  return async (token, options) =>
    (await jwtVerify(token, set, { ...options, algorithms: asymmetric })).payload;
}

function refusalOf(error: unknown): AppError {
  if (error instanceof errors.JWTExpired)
    return new AppError('UNAUTHENTICATED', expiredMessage, { cause: error });
  const refused =
    error instanceof errors.JOSEError &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid) &&
    error.code !== 'ERR_JOSE_GENERIC';
  return refused
    ? new AppError('UNAUTHENTICATED', 'The token is not valid.', { cause: error })
    : new AppError('UNAVAILABLE', "The token issuer's keys cannot be had; try again.", { cause: error });
}

/** A token signed with the shared secret. */
export function signToken(
  secret: string,
  {
    subject,
    role,
    tenantId,
    expiresIn,
    issuer,
    audience,
  }: {
    readonly subject: string;
    readonly role: Role;
    readonly tenantId: string;
    /** As jose reads it: `12h`, `30 days`. */
    readonly expiresIn: string;
    readonly issuer?: string | undefined;
    readonly audience?: string | undefined;
  },
): Promise<string> {
  const jwt = new SignJWT({ tenant: tenantId, role })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime(expiresIn);
  if (issuer !== undefined) jwt.setIssuer(issuer);
  if (audience !== undefined) jwt.setAudience(audience);
  return jwt.sign(new TextEncoder().encode(secret));
}
