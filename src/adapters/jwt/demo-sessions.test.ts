import { describe, expect, it } from 'vitest';
import { createJwtAuthenticator } from './authenticator.ts';
import { createDemoCode, createDemoSessions } from './demo-sessions.ts';

const secret = 'a-secret-for-tests-of-at-least-32-characters';
const startedAt = new Date('2026-11-20T09:00:00.250Z');
const after = (seconds: number) => ({ now: () => new Date(startedAt.getTime() + seconds * 1000) });

/** Creates the sessions of a server that started at 09:00, with a clock that the test controls. */
function startServer() {
  let now = startedAt;
  const sessions = createDemoSessions({ secret, clock: { now: () => now } });
  return {
    ...sessions,
    waitUntil(seconds: number) {
      now = after(seconds).now();
    },
  };
}

const made = (seconds: number, by = secret) => createDemoCode({ secret: by, clock: after(seconds) });

describe('the demo server', () => {
  it('exchanges a code for a token of the demo user, and the token allows sending notifications to that user', async () => {
    const token = await createDemoSessions({ secret, clock: { now: () => new Date() } }).redeem(
      createDemoCode({ secret, clock: { now: () => new Date() } }),
    );
    const authenticator = createJwtAuthenticator({ keys: { secret }, clock: { now: () => new Date() } });
    const caller = await authenticator.authenticate(token);
    expect(caller).toMatchObject({ tenantId: 'demo', subject: 'alice', role: 'user', maySendToSelf: true });
  });

  it('accepts a code only once, even in another spelling', async () => {
    const { redeem } = startServer();
    const code = made(1);
    const otherBits = code.slice(0, -1) + String.fromCharCode(code.charCodeAt(37) + 1);
    await redeem(code);
    for (const again of [code, otherBits, ` ${code}`, `${code}==`])
      await expect(redeem(again)).rejects.toThrow('This link was already used. Run `npx unseen open`');
    await redeem(made(1));
  });

  it('accepts a code for 10 minutes', async () => {
    const server = startServer();
    const [early, late] = [made(1), made(1)];
    server.waitUntil(600);
    await server.redeem(early);
    server.waitUntil(601);
    for (const code of [early, late]) {
      await expect(server.redeem(code)).rejects.toThrow('This link has expired. Run `npx unseen open`');
    }
  });

  it('refuses a code that was created before its restart, because the code may have been used', async () => {
    await expect(startServer().redeem(made(-1))).rejects.toThrow('This link has expired.');
  });

  it.each([
    ['is empty', () => ''],
    ['is a word', () => 'constructor'],
    ['was made with another secret', () => made(1, 'another-secret-of-at-least-32-characters')],
    ['has another time', () => `B${made(1).slice(1)}`],
    ['is cut off', () => made(1).slice(0, -2)],
    ['has additional bytes', () => `${made(1)}AAAA`],
  ])('refuses a code that %s', async (_, code) => {
    await expect(startServer().redeem(code())).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringMatching(/^This link is not valid here/),
    });
  });
});
