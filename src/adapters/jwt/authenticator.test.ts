import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { expiredMessage } from '../../ports/authenticator.ts';
import { systemClock } from '../../ports/clock.ts';
import { createJwtAuthenticator, maxTokenLength } from './authenticator.ts';
import { signToken } from './sign-token.ts';

const secret = 'a-secret-for-tests-of-at-least-32-characters';
const bySecret = () => createJwtAuthenticator({ keys: { secret }, clock: systemClock });
const aliceToken = (expiresIn = '1h') =>
  signToken(secret, { subject: 'alice', role: 'user', tenantId: 'default', expiresIn });

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/**
 * Returns the text with a different last character that decodes to the same bytes. In the base64url form of
 * 32 bytes the last 2 bits are unused.
 */
function withOtherLastBits(text: string): string {
  const other = alphabet[alphabet.indexOf(text.at(-1) ?? '') + 1] ?? '';
  return text.slice(0, -1) + other;
}

describe('the JWT authenticator', () => {
  const spellings: [what: string, respell: (token: string) => string][] = [
    ['has other unused bits', withOtherLastBits],
    ['has padding', (token) => `${token}=`],
    ['has padding in the payload', (token) => token.replace(/\.[^.]+/, '$&==')],
    ['ends in a line break', (token) => `${token}\n`],
    ['begins with a tab', (token) => `\t${token}`],
    ['has line breaks in the signature', (token) => token.replace(/.{4}$/, '\n\r\n$&')],
    ['has a space in the header', (token) => token.replace(/^.../, '$& ')],
    ['has 50 000 line breaks', (token) => token.replace(/.$/, `${'\n'.repeat(50_000)}$&`)],
    ['has a fourth part', (token) => `${token}.`],
    ['is a part short', (token) => token.replace(/\.[^.]+$/, '')],
    ['has U+200B in it', (token) => token.replace('.', '\u200b.')],
    [
      'uses the alphabet of plain base64',
      (token) => token.replace(/[^.]+$/, (part) => Buffer.from(part, 'base64url').toString('base64')),
    ],
  ];
  it.each(spellings)(
    'refuses a token that %s, even while the caller of the original token is cached',
    async (_, respell) => {
      const authenticator = bySecret();
      const token = await aliceToken();
      expect(await authenticator.authenticate(token)).toMatchObject({ subject: 'alice' });
      await expect(authenticator.authenticate(respell(token))).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    },
  );

  it('refuses a token of more than 8192 characters, and its error names the limit', async () => {
    await expect(bySecret().authenticate('x'.repeat(maxTokenLength + 1))).rejects.toThrow(
      'The token has more than 8192 characters.',
    );
    await expect(bySecret().authenticate('x'.repeat(maxTokenLength))).rejects.toThrow(
      'The token is not a JWT in compact form.',
    );
  });

  it('refuses an expired token, even if it was accepted several times before', async () => {
    let now = new Date();
    const authenticator = createJwtAuthenticator({ keys: { secret }, clock: { now: () => now } });
    const token = await aliceToken('1h');
    for (let uses = 0; uses < 3; uses += 1) await authenticator.authenticate(token);
    now = new Date(now.getTime() + 3_600_001);
    await expect(authenticator.authenticate(token)).rejects.toThrow(expiredMessage);
    await expect(authenticator.authenticate(token)).rejects.toThrow(expiredMessage);
  });

  it('refuses a bad token with the same error at the second attempt', async () => {
    const authenticator = bySecret();
    const expired = await aliceToken('-1m');
    for (const time of ['first', 'second'])
      await expect(authenticator.authenticate(expired), time).rejects.toThrow('The token has expired.');
  });
});

it.each([
  ['our scope and foreign scopes', 'openid unseen:send-to-self', true],
  ['others', 'openid profile', false],
  ['a list, as some issuers write it', ['unseen:send-to-self'], false],
])('accepts a token with scopes (%s)', async (_, scope, maySendToSelf) => {
  const token = await new SignJWT({ sub: 'alice', scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));
  expect(await bySecret().authenticate(token)).toMatchObject({ role: 'user', maySendToSelf });
});

it.each([
  ['RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ['ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['EdDSA', () => generateKeyPairSync('ed25519')],
] as const)('accepts canonical tokens of an issuer that signs with %s', async (alg, generate) => {
  const { publicKey, privateKey } = generate();
  const jwk = { ...(await exportJWK(publicKey)), alg, kid: 'one' };
  const issuer = createServer((_, response) => response.end(JSON.stringify({ keys: [jwk] })));
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  try {
    const jwksUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/`;
    const authenticator = createJwtAuthenticator({ keys: { jwksUrl }, clock: systemClock });
    // The lengths of the payloads have every remainder modulo 3.
    for (const subject of ['a', 'al', 'ali', 'alic']) {
      const token = await new SignJWT({ sub: subject })
        .setProtectedHeader({ alg, kid: 'one' })
        .setExpirationTime('1h')
        .sign(privateKey);
      expect(await authenticator.authenticate(token)).toMatchObject({ subject });
    }
  } finally {
    issuer.close();
  }
});
