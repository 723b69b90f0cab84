// @module-tag end-to-end
// @module-tag chromium
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from './testing/app.ts';
import { launchChromium } from './testing/chromium.ts';

describe('a page in a browser', () => {
  let dataDir: string;
  let app: TestApp;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  /** Whether the console may report a refused code or token. The report may come at any time. */
  let expectsRefusal: boolean;

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'unseen-pages-'));
    app = await startTestApp({ AUTH_SECRET: '', DATA_DIR: dataDir });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await app?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    complaints = [];
    expectsRefusal = false;
    page = await (await browser.newContext()).newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
  });
  afterEach(async () => {
    await page.context().close();
    const refusal = 'the server responded with a status of 401';
    expect(complaints.filter((text) => !expectsRefusal || !text.includes(refusal))).toEqual([]);
  });

  const linkTo = (path: string) => `${app.url}${path}#${app.runtime.backends.demoSessions?.createCode()}`;
  const live = (on = page) => on.waitForSelector('#connection[data-state=live]');

  it('updates the bell of the demo after a push, and clears the bell when the user opens the inbox', async () => {
    await page.goto(linkTo('/demo'));
    await live();
    await page.fill('#title', '<img src=x onerror=alert(1)>');
    await page.click('#send');
    await page.waitForFunction(() => document.querySelector('#bell-count')?.textContent === '1');
    await page.waitForSelector('#push-time[data-ms]');
    await page.click('#bell');
    await page.waitForFunction(() => document.querySelector('#bell-count')?.textContent === '0');
    expect(await page.textContent('#inbox-list li')).toContain('<img src=x onerror=alert(1)>');
    await page.click('.visit >> nth=0');
    await page.waitForFunction(() => /1 page/.test(document.querySelector('#stats')?.textContent ?? ''));
  });

  it('accepts a link in one tab, including reloads and the playground, and refuses the same link in another tab', async () => {
    const link = linkTo('/demo');
    await page.goto(link);
    await live();
    expect(page.url()).toBe(`${app.url}/demo`);
    await page.reload();
    await live();

    const other = await page.context().newPage();
    await other.goto(`${app.url}/demo`);
    await other.waitForSelector('text=npx unseen open');
    expect(await other.isVisible('#problem')).toBe(false);
    await other.goto(link);
    await other.waitForSelector('text=This link was already used. Run `npx unseen open` for a new one.');
    // Opens the same page with another code after the #.
    await other.goto(linkTo('/demo'));
    await live(other);

    await page.click('text=Playground');
    await page.waitForSelector('text=You are alice of the tenant demo');
    expectsRefusal = true;
  });

  it('asks for a new link if the server no longer accepts the token', async () => {
    await page.goto(linkTo('/demo'));
    await live();
    await page.evaluate(() => sessionStorage.setItem('unseen.userToken', 'x.y.z'));
    await page.reload();
    await page.waitForSelector('text=Open this page with a link');
    await page.waitForSelector('text=The server did not accept the token. It may have expired.');
    expect(await page.evaluate(() => sessionStorage.getItem('unseen.userToken'))).toBeNull();
    expectsRefusal = true;
  });

  it('shows a playground visitor without a token how to get a token', async () => {
    await page.goto(`${app.url}/playground`);
    await page.waitForSelector('text=npx unseen open playground');
    await page.goto(`${app.url}/playground#guess`);
    await page.waitForSelector('text=This link is not valid here');
    expectsRefusal = true;
  });

  it('runs the first example of the playground with the token of the link', async () => {
    await page.goto(linkTo('/graphql'));
    expect(page.url()).toBe(`${app.url}/playground`);
    await page.waitForSelector('.graphiql-execute-button');
    await page.waitForFunction(() =>
      /WhoAmI/.test(document.querySelector('.graphiql-query-editor')?.textContent ?? ''),
    );
    await page.click('.graphiql-execute-button');
    await page.waitForFunction(() =>
      /alice/.test(document.querySelector('.graphiql-response')?.textContent ?? ''),
    );
  });

  it('shows a live subscription in the playground', async () => {
    await page.goto(linkTo('/playground'));
    await page.waitForSelector('.graphiql-execute-button');
    // GraphiQL ignores clicks until it has started, so the test repeats the click.
    await vi.waitFor(
      async () => {
        await page.click('text=WatchTheBadge', { timeout: 1_000 });
        expect(await page.textContent('.graphiql-query-editor')).toContain('badgeChanged');
      },
      { timeout: 20_000, interval: 250 },
    );
    await vi.waitFor(
      async () => {
        await page.click('.graphiql-execute-button', { timeout: 1_000 });
        const response = () =>
          /SNAPSHOT/.test(document.querySelector('.graphiql-response')?.textContent ?? '');
        await page.waitForFunction(response, undefined, { timeout: 5_000 });
      },
      { timeout: 40_000, interval: 250 },
    );
  }, 90_000);

  it('accepts pasted tokens if authentication is configured', async () => {
    const configured = await startTestApp();
    try {
      await page.goto(`${configured.url}/demo`);
      expect(await page.isVisible('text=npx unseen open')).toBe(false);
      await page.fill('#user-token', await configured.token({ subject: 'bob' }));
      await page.fill('#service-token', await configured.token({ role: 'service', subject: 'shop' }));
      await page.click('#token-form .primary');
      await live();
      await page.click('#send');
      await page.waitForFunction(() => document.querySelector('#bell-count')?.textContent === '1');
    } finally {
      await configured.stop();
    }
    // When the server stopped, it closed the socket, and the console reports the closed socket.
    complaints = complaints.filter((complaint) => !complaint.includes('WebSocket'));
  });
});
