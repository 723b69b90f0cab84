import { hash } from 'node:crypto';
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { type Caller, roles, sendToSelf } from '../../domain/caller.ts';
import { AppError } from '../../domain/error.ts';
import { name, tenantId } from '../../events/text.ts';
import { type Authenticator, expiredMessage } from '../../ports/authenticator.ts';
import type { Clock } from '../../ports/clock.ts';

/**
 * The source of the keys that sign tokens: a shared secret (HS256), or the URL where an issuer publishes its
 * keys (RFC 7517).
 */
export type KeySource = { readonly secret: string } | { readonly jwksUrl: string };

/** The claims that this authenticator reads (RFC 7519). It ignores other claims. */
const claims = z.object({
  sub: name,
  tenant: tenantId.default('default'),
  role: z.enum(roles).default('user'),
  // Issuers also put their own scopes into this claim, in different formats.
  scope: z.string().catch(''),
  // A Date cannot represent a later time than this maximum, in seconds.
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

/** The maximum length of a token, in characters. Longer tokens are refused. */
export const maxTokenLength = 8_192;

/**
 * Matches base64url without padding whose unused last bits are zero. So each sequence of bytes has only one
 * spelling.
 */
const canonicalPart = '(?:[\\w-]{4})*(?:[\\w-][AQgw]|[\\w-]{2}[AEIMQUYcgkosw048])?';
const compactForm = new RegExp(`^${canonicalPart}\\.${canonicalPart}\\.${canonicalPart}$`);

/** The maximum number of characters of all tokens in the cache of recent tokens. */
const maxRecentLength = 1024 * 1024;

/** The maximum size of the cache of verified callers, in bytes. */
const maxCacheBytes = 8 * 1024 * 1024;

/**
 * The estimated size of a cache entry, in bytes. 500 is the measured size of the digest, the caller and the
 * bookkeeping. The sizes of the tenant id and the subject are added.
 */
const entryBytes = ({ tenantId, subject }: Caller) => 500 + 2 * (tenantId.length + subject.length);

/**
 * Creates an authenticator for JWTs in the canonical compact form (RFC 7515, 7.1). It caches verified callers
 * until their tokens expire, because verifying a token costs more than the rest of a small request. So a
 * token remains valid until its `exp`, even if its key is withdrawn.
 * The cache is keyed by the digest of the whole token, has at most `maxCacheBytes` and contains no refusals.
 * A token has one canonical spelling, or two if it is signed with ECDSA. So only the issuer can fill the
 * cache.
 */
export function createJwtAuthenticator(
  { keys, clock }: { readonly keys: KeySource; readonly clock: Clock },
  expected: { readonly issuer?: string | undefined; readonly audience?: string | undefined } = {},
): Authenticator {
  const verified = new LRUCache<string, Caller>({ maxSize: maxCacheBytes, sizeCalculation: entryBytes });
  // Maps tokens that were used at least twice to their callers. Such a token needs no digest, which takes 2.5
  // µs of a request of 80 µs. Delete this cache if computing a digest takes a tenth of that time.
  const recent = new LRUCache<string, Caller>({
    maxSize: maxRecentLength,
    sizeCalculation: (_, token) => token.length,
  });
  const verify = createVerify(keys);

  return {
    async authenticate(token) {
      const latest = recent.get(token);
      if (latest && latest.expiresAt > clock.now()) return latest;
      if (token.length > maxTokenLength)
        throw refused(`The token has more than ${maxTokenLength} characters.`);
      const now = clock.now();
      const digest = hash('sha256', token, 'base64');
      const known = verified.get(digest);
      if (known) {
        if (known.expiresAt > now) {
          recent.set(token, known);
          return known;
        }
        verified.delete(digest);
        throw refused(expiredMessage);
      }
      if (!compactForm.test(token)) throw refused('The token is not a JWT in compact form.');
      const payload = await verify(token, {
        currentDate: now,
        requiredClaims: ['sub', 'exp'],
        ...(expected.issuer !== undefined && { issuer: expected.issuer }),
        ...(expected.audience !== undefined && { audience: expected.audience }),
      }).catch((error: unknown) => {
        throw refusalOf(error);
      });
      const caller = callerOf(payload);
      verified.set(digest, caller);
      return caller;
    },
  };
}

function callerOf(payload: JWTPayload): Caller {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) {
    const what = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ');
    throw refused(`The token has invalid claims: ${what}.`);
  }
  const { sub, tenant, role, scope, exp } = parsed.data;
  return Object.freeze({
    tenantId: tenant,
    subject: sub,
    role,
    maySendToSelf: scope.split(' ').includes(sendToSelf),
    expiresAt: new Date(exp * 1000),
  });
}

function refused(message: string, options?: ErrorOptions): AppError {
  return new AppError('UNAUTHENTICATED', message, options);
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
  if (error instanceof errors.JWTExpired) return refused(expiredMessage, { cause: error });
  const isRefused =
    error instanceof errors.JOSEError &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid) &&
    error.code !== 'ERR_JOSE_GENERIC';
  return isRefused
    ? refused('The token is not valid.', { cause: error })
    : new AppError('UNAVAILABLE', 'The keys of the token issuer cannot be fetched. Try again.', {
        cause: error,
      });
}
