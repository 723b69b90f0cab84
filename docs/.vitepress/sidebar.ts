import { readdirSync, readFileSync } from 'node:fs';
import type { DefaultTheme } from 'vitepress';

const decisionsDir = new URL('../decisions/', import.meta.url);

/** One entry per decision record, in their order, named by the title of the record. */
function decisions(): DefaultTheme.SidebarItem[] {
  return readdirSync(decisionsDir)
    .filter((file) => /^\d{4}-.*\.md$/.test(file))
    .sort()
    .map((file) => {
      const title = /^# (.+)$/m.exec(readFileSync(new URL(file, decisionsDir), 'utf8'))?.[1] ?? file;
      return { text: title, link: `/decisions/${file.replace(/\.md$/, '')}` };
    });
}

/** Every page of the manual, by what a reader wants to do. */
export const sidebar: DefaultTheme.SidebarItem[] = [
  {
    text: 'Start',
    items: [
      { text: 'Getting started', link: '/getting-started' },
      { text: 'Concepts', link: '/concepts' },
    ],
  },
  {
    text: 'Use',
    items: [
      { text: 'Front end', link: '/front-end' },
      { text: 'Sending notifications', link: '/sending' },
      { text: 'Producers of events', link: '/producers' },
    ],
  },
  {
    text: 'Run',
    items: [
      { text: 'Configuration', link: '/configuration' },
      { text: 'Security', link: '/security' },
      { text: 'Operations', link: '/operations' },
      { text: 'Guarantees', link: '/guarantees' },
      { text: 'Performance', link: '/performance' },
    ],
  },
  {
    text: 'Reference',
    items: [
      {
        text: 'API',
        link: '/api',
        collapsed: true,
        items: [
          { text: 'Queries', link: '/api/queries' },
          { text: 'Mutations', link: '/api/mutations' },
          { text: 'Subscriptions', link: '/api/subscriptions' },
          { text: 'Types', link: '/api/types' },
        ],
      },
      { text: 'Error and close codes', link: '/errors' },
      { text: 'JSON Schemas of events', link: '/schemas' },
    ],
  },
  {
    text: 'Project',
    items: [
      { text: 'Architecture', link: '/architecture' },
      { text: 'Contributing', link: '/contributing' },
      { text: 'Adding an event family', link: '/adding-an-event-family' },
      { text: 'Decisions', link: '/decisions/', collapsed: true, items: decisions() },
    ],
  },
];
