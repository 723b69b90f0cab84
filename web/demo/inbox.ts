import {
  type BadgeStateFragment,
  InboxDocument,
  type InboxQuery,
  OpenInboxDocument,
} from '../generated/graphql.ts';
import type { createApi } from './api.ts';
import { element, say } from './elements.ts';

const SHOWN = 8;

type Edge = NonNullable<InboxQuery['viewer']>['notifications']['edges'][number];

export interface InboxOptions {
  readonly api: ReturnType<typeof createApi>;
  onBadge(badge: BadgeStateFragment): void;
  onError(error: unknown): void;
}

/**
 * Creates the list under the bell. The list shows the newest notifications and then marks notifications as
 * seen, up to the newest notification in the list.
 */
export function createInbox({ api, onBadge, onError }: InboxOptions) {
  const bell = element('bell', HTMLButtonElement);
  const panel = element('inbox', HTMLElement);
  const list = element('inbox-list', HTMLOListElement);
  const note = element('inbox-note', HTMLParagraphElement);
  const more = element('inbox-more', HTMLButtonElement);

  async function load(): Promise<void> {
    more.hidden = true;
    if (list.childElementCount === 0) say(note, 'Loading…');
    try {
      const { viewer } = await api.request(InboxDocument, { first: SHOWN });
      if (viewer === null) throw new Error('This token belongs to a service, which has no inbox.');
      const { edges, badge } = viewer.notifications;
      list.replaceChildren(...edges.map(toItem));
      say(note, edges.length === 0 ? 'Nothing here yet. Send something from the right.' : '');
      onBadge(badge);
      const newest = edges[0];
      // A notification that arrived in the meantime must still count on the bell. The page therefore opens
      // the inbox only up to the newest notification in the list.
      if (newest !== undefined) await open(newest.cursor);
    } catch (error) {
      say(note, list.childElementCount === 0 ? 'The list could not be loaded.' : '');
      onError(error);
    }
  }

  async function open(upTo: string): Promise<void> {
    const { openInbox } = await api.request(OpenInboxDocument, { upTo });
    const refusal = openInbox.userErrors[0];
    if (refusal !== undefined) throw new Error(refusal.message);
    if (openInbox.badge !== null) onBadge(openInbox.badge);
  }

  function show(visible: boolean): void {
    panel.hidden = !visible;
    bell.setAttribute('aria-expanded', String(visible));
    if (visible) void load();
    else list.replaceChildren();
  }

  bell.addEventListener('click', () => show(bell.getAttribute('aria-expanded') === 'false'));
  more.addEventListener('click', () => {
    bell.focus();
    void load();
  });
  document.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape' || panel.hidden) return;
    show(false);
    bell.focus();
  });
  document.addEventListener('click', ({ target }) => {
    if (!panel.hidden && target instanceof Node && !bell.contains(target) && !panel.contains(target)) {
      show(false);
    }
  });

  return {
    /**
     * Offers to show the `count` notifications that have arrived since the list was loaded. Hides the offer
     * if `count` is 0.
     */
    behindBy(count: number): void {
      say(more, panel.hidden || count === 0 ? '' : `Show ${count} new`);
    },
  };
}

function toItem({ node }: Edge): HTMLLIElement {
  const item = document.createElement('li');
  item.dataset['severity'] = node.severity;
  item.dataset['seen'] = String(node.seenAt !== null);
  const title = document.createElement('strong');
  title.textContent = node.title;
  const time = document.createElement('time');
  time.dateTime = node.createdAt;
  time.textContent = ago(new Date(node.createdAt));
  item.append(title, time);
  if (node.body !== null) {
    const body = document.createElement('span');
    body.textContent = node.body;
    item.append(body);
  }
  if (node.seenAt === null) {
    const mark = document.createElement('em');
    mark.textContent = 'new';
    title.after(mark);
  }
  return item;
}

function ago(then: Date): string {
  const seconds = Math.round((Date.now() - then.getTime()) / 1000);
  if (seconds < 60) return 'just now';
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return then.toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' });
}
