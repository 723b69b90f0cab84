import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Answer, startTestApp, type TestApp } from './testing/app.ts';

let dataDir: string;
let app: TestApp;
beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'unseen-demo-'));
  app = await startTestApp({ AUTH_SECRET: '', DATA_DIR: dataDir, RATE_LIMIT_PER_ADDRESS: '5' });
});
afterAll(async () => {
  await app.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const newCode = () => app.runtime.backends.demoSessions?.createCode() ?? '';

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Sends one request with exactly these headers. `fetch` would set Host and others itself. */
function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body = '',
  url = app.url,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    request(url + path, { method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on('error', reject)
      .end(body);
  });
}

const redeem = (code: unknown, headers: Record<string, string> = {}, url = app.url) =>
  ask(
    'POST',
    '/demo/session',
    { 'content-type': 'application/json', ...headers },
    JSON.stringify({ code }),
    url,
  );
const messageOf = ({ text }: Reply) => (JSON.parse(text) as Answer).errors?.[0]?.message;

describe('the pages', () => {
  // The headers of nginx by default, of a page under another name (DNS rebinding) and of a forwarding proxy.
  it.each([
    {},
    { host: '127.0.0.1:4000', connection: 'close' },
    { host: 'localhost' },
    { host: 'attacker.example' },
    { host: '[::1]:4000', 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1;host=localhost' },
  ])('are the same for every visitor and contain no token or code, with the headers %j', async (headers) => {
    for (const page of ['/demo', '/playground']) {
      const { status, text } = await ask('GET', page, headers);
      expect(status).toBe(200);
      expect(text).toContain('id="unseen-config">{"opensByLink":true,');
      expect(text).not.toMatch(/eyJ\w/);
      expect(text).toBe((await ask('GET', page)).text);
    }
  });
});

describe('POST /demo/session', () => {
  it('exchanges a code for a token, and refuses the same code a second time', async () => {
    const code = newCode();
    const { status, text } = await redeem(code, { 'sec-fetch-site': 'same-origin' });
    expect([status, Object.keys(JSON.parse(text))]).toEqual([200, ['token']]);
    expect(messageOf(await redeem(code))).toMatch(/^This link was already used/);
  });

  it.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { origin: 'https://attacker.example' },
    { origin: 'null' },
  ])('refuses a page of another site: %j', async (headers) => {
    const code = newCode();
    expect(await redeem(code, headers)).toMatchObject({ status: 403 });
    const { host } = new URL(app.url);
    expect(await redeem(code, { origin: `http://${host}` })).toMatchObject({ status: 200 });
  });

  it('accepts only a small JSON object by POST, and refuses a preflight', async () => {
    const json = { 'content-type': 'application/json' };
    const asked = [
      await ask(
        'POST',
        '/demo/session',
        { 'content-type': 'text/plain' },
        JSON.stringify({ code: newCode() }),
      ),
      await ask('POST', '/demo/session', json, '[]'),
      await ask('POST', '/demo/session', json, '{"code":7}'),
      await ask('POST', '/demo/session', json, JSON.stringify({ code: 'x'.repeat(2_000) })),
      await ask('GET', `/demo/session?code=${newCode()}`),
      await ask('OPTIONS', '/demo/session', { origin: 'https://attacker.example' }),
    ];
    expect(asked.map(({ status }) => status)).toEqual([400, 400, 400, 413, 404, 405]);
    for (const { text } of asked) expect(text).not.toContain('token"');
  });

  it('limits the wrong codes from an address, and still accepts a correct code from that address', async () => {
    const wrong = await Promise.all(Array.from({ length: 40 }, () => redeem('guess')));
    expect(new Set(wrong.map(({ status }) => status))).toEqual(new Set([401, 429]));
    expect(await redeem(newCode())).toMatchObject({ status: 200 });
  });

  it('returns no token if authentication is configured', async () => {
    const configured = await startTestApp();
    try {
      const refused = await redeem(newCode(), {}, configured.url);
      expect(refused.status).toBe(403);
      expect(messageOf(refused)).toBe(
        'Authentication is configured, so this server issues no tokens. Paste a token into the page.',
      );
      for (const page of ['/demo', '/playground']) {
        const { text } = await ask('GET', page, {}, '', configured.url);
        expect(text).toContain('{"opensByLink":false,');
      }
    } finally {
      await configured.stop();
    }
  });
});

describe('the token of the demo', () => {
  let token: string;
  beforeAll(async () => {
    token = (JSON.parse((await redeem(newCode())).text) as { token: string }).token;
  });

  const send = (userId: string) =>
    app.send(
      token,
      'mutation ($userId: ID!) { sendNotification(input: { userId: $userId, content: { title: "x" } }) { notificationId userErrors { code } } }',
      { userId },
    );

  it('can send a notification to the user of the token and read the badge of that user', async () => {
    expect(await send('alice')).toMatchObject({ data: { sendNotification: { userErrors: [] } } });
    await vi.waitFor(
      async () =>
        expect(await app.send(token, '{ viewer { userId badge { unseen } } }')).toMatchObject({
          data: { viewer: { userId: 'alice', badge: { unseen: 1 } } },
        }),
      15_000,
    );
  });

  it('cannot send a notification to another user', async () => {
    expect(await send('bob')).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
  });

  it.each([
    'mutation { sendNotifications(input: { userIds: ["alice"], content: { title: "x" } }) { accepted } }',
    'mutation { publishItems(input: { collection: "news", items: [{ itemId: "a" }] }) { items { id } } }',
    'mutation { upsertUsers(input: { users: [{ userId: "bob", patch: {} }] }) { createdCount } }',
    '{ users { edges { cursor } } }',
    '{ activityMetrics(range: { from: "2026-01-01T00:00:00Z" }, granularity: DAY) { start } }',
    '{ deadLetters { edges { cursor } } }',
    '{ systemStatus { version } }',
    'mutation { eraseUser(userId: "alice") { userErrors { code } } }',
  ])('cannot run any other operation of services or admins: %s', async (query) => {
    expect(await app.send(token, query)).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
  });

  it('cannot read another user', async () => {
    const { data } = await app.send(token, '{ a: user(userId: "bob") { userId } }');
    expect(data ?? { a: null }).toEqual({ a: null });
  });
});
