import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitepress';
import { sidebar } from './sidebar.ts';

/** The anchor of a heading as GitHub makes it, so that one link works in the site and in the repository. */
function slugify(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

export default defineConfig({
  title: 'Unseen',
  description: 'The manual of Unseen: live badges, stats, limits and notifications behind one GraphQL API.',
  base: '/docs/',
  outDir: '../dist/docs',
  cacheDir: './node_modules/.vitepress',
  cleanUrls: true,
  // The site data in a file of its own leaves two inline scripts, which are the same in every page.
  metaChunk: true,
  head: [['link', { rel: 'icon', href: '/docs/bell.svg', type: 'image/svg+xml' }]],
  markdown: { anchor: { slugify }, theme: { light: 'github-light', dark: 'github-dark' } },
  /** The schemas are files of the site, not pages. */
  buildEnd({ srcDir, outDir }) {
    cpSync(join(srcDir, 'schemas'), join(outDir, 'schemas'), { recursive: true });
  },
  themeConfig: {
    logo: '/bell.svg',
    nav: [
      { text: 'Getting started', link: '/getting-started' },
      { text: 'API', link: '/api' },
      { text: 'Configuration', link: '/configuration' },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: 'local', options: { detailedView: true } },
    docFooter: { prev: 'Previous page', next: 'Next page' },
  },
});
