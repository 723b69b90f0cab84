import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { sendToSelf } from '../../domain/caller.ts';
import { AppError } from '../../domain/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { DemoSessions } from '../../ports/demo-sessions.ts';
import { signToken } from './sign-token.ts';

/** The user of the demo. The tenant `demo` contains no other data. */
export const demoUser = { tenantId: 'demo', userId: 'alice' } as const;

const codeLifeSec = 600;
const timeBytes = 4;
const nonceBytes = 8;
const markBytes = 16;
const contentBytes = timeBytes + nonceBytes;

/**
 * Creates a code. The code contains its creation time and is authenticated with a key that is derived from
 * the secret. So another process with the same secret can create codes for a running server. A code is the
 * base64url form of the time in seconds, a nonce and 16 bytes of HMAC-SHA256. The code is short enough for a
 * link on one line of a terminal.
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
 * Creates the sessions of the demo. The process remembers used codes until they expire. It refuses codes that
 * were created before its start, so a used code does not become valid again after a restart. If several
 * processes share a secret, each process accepts a code once.
 */
export function createDemoSessions(
  { secret, clock }: { readonly secret: string; readonly clock: Clock },
  { issuer, audience }: { readonly issuer?: string | undefined; readonly audience?: string | undefined } = {},
): DemoSessions {
  const startedAt = secondsOf(clock);
  /** Maps the content of each used code to the creation time of the code. */
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
          'is not valid here. It was made for another server or another DATA_DIR. A server started with --ephemeral accepts only the link that it printed.',
        );
      }
      const now = secondsOf(clock);
      const isExpired = (madeAt: number) => madeAt < startedAt || now - madeAt >= codeLifeSec;
      for (const [name, madeAt] of used) if (isExpired(madeAt)) used.delete(name);
      const madeAt = content.readUInt32BE();
      if (isExpired(madeAt)) throw refused('has expired. Run `npx unseen open` for a new one.');
      const name = content.toString('hex');
      if (used.has(name)) throw refused('was already used. Run `npx unseen open` for a new one.');
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

/** Returns the current time in whole seconds. */
const secondsOf = (clock: Clock) => Math.floor(clock.now().getTime() / 1000);

function markOf(content: Buffer, secret: string): Buffer {
  // This key is used only for codes, so a code can never serve as the signature of a token.
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'unseen demo code', 32));
  return createHmac('sha256', key).update(content).digest().subarray(0, markBytes);
}

const refused = (why: string) => new AppError('UNAUTHENTICATED', `This link ${why}`);
