// @module-tag end-to-end
// @module-tag chromium
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from './testing/app.ts';
import { launchChromium } from './testing/chromium.ts';

describe('the pages, in a browser', () => {
  let dataDir: string;
  let app: TestApp;
  let browser: Browser;
  let page: Page;
  let complaints: string[];

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
    page = await browser.newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
  });
  afterEach(async () => {
    await page.context().close();
    expect(complaints).toEqual([]);
  });

  it('moves the bell of the demo within a push, and clears it on opening', async () => {
    await page.goto(`${app.url}/demo`);
    await page.waitForSelector('#connection[data-state=live]');
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

  it('runs the first example of the playground with the token of the page', async () => {
    await page.goto(`${app.url}/graphql`);
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
    await page.goto(`${app.url}/playground`);
    await page.waitForSelector('.graphiql-execute-button');
    // GraphiQL takes a moment to be itself; until then it may miss a click, as it would a visitor's.
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

  it('gives no token to a page that came under another name', async () => {
    const html = await fetchWithHost(`${app.url}/demo`, 'attacker.example');
    expect(html).toContain('id="unseen-config">{}</script>');
  });
});

/** fetch sets Host itself, so this one goes by node:http. */
async function fetchWithHost(url: string, host: string): Promise<string> {
  const { get } = await import('node:http');
  return new Promise((resolve, reject) => {
    get(url, { headers: { host } }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
  });
}
