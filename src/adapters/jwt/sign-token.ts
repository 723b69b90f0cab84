// This imports only the signing part of jose, because `unseen token` loads this file and must answer at once.
import { SignJWT } from 'jose/jwt/sign';
import type { Role } from '../../domain/caller.ts';

/** Signs a token with the shared secret. */
export function signToken(
  secret: string,
  {
    subject,
    role,
    tenantId,
    expiresIn,
    scope,
    issuer,
    audience,
  }: {
    readonly subject: string;
    readonly role: Role;
    readonly tenantId: string;
    /** The lifetime in the format of jose, for example `12h` or `30 days`. */
    readonly expiresIn: string;
    readonly scope?: string;
    readonly issuer?: string | undefined;
    readonly audience?: string | undefined;
  },
): Promise<string> {
  const jwt = new SignJWT({ tenant: tenantId, role, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime(expiresIn);
  if (issuer !== undefined) jwt.setIssuer(issuer);
  if (audience !== undefined) jwt.setAudience(audience);
  return jwt.sign(new TextEncoder().encode(secret));
}
