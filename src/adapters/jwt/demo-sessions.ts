import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { sendToSelf } from '../../domain/caller.ts';
import { AppError } from '../../domain/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { DemoSessions } from '../../ports/demo-sessions.ts';
import { signToken } from './sign-token.ts';

/** The user of the demo, in a tenant without other data. */
export const demoUser = { tenantId: 'demo', userId: 'alice' } as const;

const codeLifeSec = 600;
const timeBytes = 4;
const nonceBytes = 8;
const markBytes = 16;
const contentBytes = timeBytes + nonceBytes;

/**
 * A code says when it was made and is marked with a key derived from the secret, so another process with the secret can make
 * codes for a running server. Base64url of the time in seconds, a nonce and 16 bytes of HMAC-SHA256: short enough for a link
 * that fits on a line of a terminal.
 */
export function createDemoCode({
  secret,
  clock,
}: {
  readonly secret: string;
  readonly clock: Clock;
}): string {
  const content = Buffer.alloc(contentBytes);
  content.writeUInt32BE(secondsOf(clock));
  randomBytes(nonceBytes).copy(content, timeBytes);
  return Buffer.concat([content, markOf(content, secret)]).toString('base64url');
}

/**
 * The process remembers used codes until they expire, and refuses codes from before it started, so a restart makes no used
 * code good again. Several processes with one secret each accept a code once.
 */
export function createDemoSessions(
  { secret, clock }: { readonly secret: string; readonly clock: Clock },
  { issuer, audience }: { readonly issuer?: string | undefined; readonly audience?: string | undefined } = {},
): DemoSessions {
  const startedAt = secondsOf(clock);
  /** When each used code was made, by its content. */
  const used = new Map<string, number>();

  return {
    createCode: () => createDemoCode({ secret, clock }),
    async redeem(code) {
      const bytes = Buffer.from(code, 'base64url');
      const content = bytes.subarray(0, contentBytes);
      const isOurs =
        bytes.length === contentBytes + markBytes &&
        timingSafeEqual(bytes.subarray(contentBytes), markOf(content, secret));
      if (!isOurs) {
        throw refused(
          'is not valid here: it was made for another server or another DATA_DIR. A server started with --ephemeral takes only the link that it printed.',
        );
      }
      const now = secondsOf(clock);
      const isExpired = (madeAt: number) => madeAt < startedAt || now - madeAt >= codeLifeSec;
      for (const [other, madeAt] of used) if (isExpired(madeAt)) used.delete(other);
      const madeAt = content.readUInt32BE();
      if (isExpired(madeAt)) throw refused('has expired. Run `npx unseen open` for a new one.');
      const name = content.toString('hex');
      if (used.has(name)) throw refused('was used already. Run `npx unseen open` for a new one.');
      used.set(name, madeAt);
      return signToken(secret, {
        subject: demoUser.userId,
        role: 'user',
        tenantId: demoUser.tenantId,
        expiresIn: '12h',
        scope: sendToSelf,
        issuer,
        audience,
      });
    },
  };
}

/** In whole seconds. */
const secondsOf = (clock: Clock) => Math.floor(clock.now().getTime() / 1000);

function markOf(content: Buffer, secret: string): Buffer {
  // A key for this purpose alone: a code can never pass for the signature of a token.
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'unseen demo code', 32));
  return createHmac('sha256', key).update(content).digest().subarray(0, markBytes);
}

const refused = (why: string) => new AppError('UNAUTHENTICATED', `This link ${why}`);
