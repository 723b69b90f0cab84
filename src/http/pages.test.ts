import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPages } from './pages.ts';

describe('the assets of the pages', () => {
  let directory: string;
  let server: Server;
  const get = (path: string) => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'unseen-pages-'));
    for (const folder of ['playground', 'demo', 'assets']) mkdirSync(join(directory, folder));
    for (const page of ['playground', 'demo']) writeFileSync(join(directory, page, 'index.html'), page);
    for (const asset of ['kept.js', 'gone.js']) writeFileSync(join(directory, 'assets', asset), '0');
    const pages = createPages({ opensByLink: false }, directory);
    server = createServer(async (request, response) => {
      if (!(await pages(request, response, request.url ?? ''))) response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  it('are cached by browsers for a year', async () => {
    const { status, headers } = await get('/assets/kept.js');
    expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
  });

  it('get 404 after a rebuild has removed them', async () => {
    rmSync(join(directory, 'assets/gone.js'));
    expect((await get('/assets/gone.js')).status).toBe(404);
    expect((await get('/assets/kept.js')).status).toBe(200);
  });

  it('include no file outside /assets', async () => {
    expect((await get('/assets/..%2fdemo/index.html')).status).toBe(404);
  });
});
