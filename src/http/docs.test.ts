import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from '../testing/chromium.ts';
import { createDocs } from './docs.ts';

/** Serves the manual in `directory`. Defaults to the output of `npm run docs`. */
async function startDocs(directory?: string): Promise<{ readonly url: string; stop(): void }> {
  const docs = createDocs(directory);
  const server: Server = createServer(async (request, response) => {
    const isServed = await docs.serve(request, response, request.url?.replace(/\?.*/, '') ?? '');
    if (!isServed) response.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, stop: () => server.close() };
}

describe('the manual', () => {
  let directory: string;
  let site: { readonly url: string; stop(): void };
  const get = (path: string) => fetch(`${site.url}${path}`, { redirect: 'manual' });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'unseen-docs-'));
    writeFileSync(join(directory, 'index.html'), '<script src="a.js"></script><script id="b">let b</script>');
    writeFileSync(join(directory, '404.html'), 'No such page');
    writeFileSync(join(directory, 'concepts.html'), 'Concepts');
    writeFileSync(join(directory, 'gone.html'), 'Gone');
    site = await startDocs(directory);
  });
  afterAll(() => {
    site.stop();
    rmSync(directory, { recursive: true });
  });

  it('answers 404 and names the command if the manual is not built', async () => {
    const empty = await startDocs(join(directory, 'nothing'));
    for (const path of ['/docs', '/docs/', '/docs/concepts']) {
      const response = await fetch(`${empty.url}${path}`);
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({
        error: 'The manual is not built: run `npm run docs`, then start the server again.',
      });
    }
    empty.stop();
  });

  it('redirects /docs to the index', async () => {
    const response = await get('/docs');
    expect([response.status, response.headers.get('location')]).toEqual([302, '/docs/']);
  });

  it('serves a page if the path has no extension', async () => {
    expect(await (await get('/docs/concepts?from=search')).text()).toBe('Concepts');
  });

  it('allows the inline scripts of the site, and no others', async () => {
    const { headers } = await get('/docs/');
    // The policy contains the digest of `let b`.
    expect(headers.get('content-security-policy')).toContain(
      "script-src 'self' 'sha256-gZ7YtBHYJlXDIlfAddq5Sw/QYJv5E8tJmDWivVTn/60=';",
    );
  });

  it('answers 404 with a page for an unknown path, a path outside its directory, and a file that a rebuild removed', async () => {
    rmSync(join(directory, 'gone.html'));
    for (const path of ['/docs/nothing', '/docs/..%2f..%2f..%2fpackage.json', '/docs/gone']) {
      const response = await get(path);
      expect([response.status, await response.text()]).toEqual([404, 'No such page']);
    }
  });

  it('does not answer paths outside /docs', async () => {
    expect((await get('/docsy')).status).toBe(418);
  });
});

describe('the built manual in a browser', { tags: ['chromium', 'docs'] }, () => {
  let site: { readonly url: string; stop(): void };
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    site = await startDocs();
    browser = await launchChromium();
    page = await browser.newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== site.url) complaints.push(`foreign request: ${request.url()}`);
    });
  });
  afterAll(async () => {
    await browser?.close();
    site?.stop();
  });
  afterEach(() => expect(complaints).toEqual([]));

  it('shows every page of the sidebar without a violation of the content security policy and without a request to another host', async () => {
    await page.goto(`${site.url}/docs/getting-started`);
    const links = await page.$$eval('#VPSidebarNav a', (anchors) =>
      anchors.map((anchor) => anchor.getAttribute('href')),
    );
    expect(links.length).toBeGreaterThan(15);
    for (const link of links) {
      expect((await page.goto(`${site.url}${link}`))?.status()).toBe(200);
      await page.waitForSelector('main h1');
    }
  });

  it('finds pages that contain a word', async () => {
    await page.goto(`${site.url}/docs/`);
    await page.click('.VPNavBarSearch button');
    await page.fill('.VPLocalSearchBox input', 'WebSocket');
    await page.waitForSelector('.VPLocalSearchBox .result');
  });

  it('keeps the chosen appearance after a reload', async () => {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.goto(`${site.url}/docs/`);
    await page.click('.VPNavBar .VPSwitchAppearance');
    await page.reload();
    expect(await page.getAttribute('html', 'class')).toContain('dark');
  });
});
