import type { PageConfig } from '../config.ts';

/** Raised when the example tabs change: saved tabs beat default ones, so old ones would hide the new. */
const EXAMPLES_VERSION = 1;
// GraphiQL prefixes every key with `graphiql:`, which other projects on the same localhost port use too.
const PREFIX = `unseen:${EXAMPLES_VERSION}:`;

const BEARER = /Bearer [\w.~+/-]+=*/g;
const USER = 'Bearer {{userToken}}';
const SERVICE = 'Bearer {{serviceToken}}';

/** What of `Storage` GraphiQL uses. */
export type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'clear' | 'length'>;

/**
 * Where GraphiQL keeps tabs, drafts and history. With tokens in the page, tokens are never stored: they are written
 * as placeholders and read back as the ones the page was served with, so a reload always ends with tokens that work.
 * Without, the user pastes tokens, and `backing` (the session's storage) holds them as they are.
 */
export function createTabStorage(backing: Storage, { userToken, serviceToken }: PageConfig): TabStorage {
  const keys = (): string[] => Object.keys(backing).filter((key) => key.startsWith(PREFIX));

  // Plain text replacement, because the tabs are JSON inside which the headers are JSON again.
  const conceal = (text: string): string =>
    userToken === undefined
      ? text
      : text.replaceAll(BEARER, (bearer) => (bearer === `Bearer ${serviceToken}` ? SERVICE : USER));
  const reveal = (text: string): string =>
    text.replaceAll(USER, `Bearer ${userToken ?? ''}`).replaceAll(SERVICE, `Bearer ${serviceToken ?? ''}`);

  return {
    getItem(key) {
      const text = backing.getItem(PREFIX + key);
      return text === null ? null : reveal(text);
    },
    setItem(key, text) {
      backing.setItem(PREFIX + key, conceal(text));
    },
    removeItem(key) {
      backing.removeItem(PREFIX + key);
    },
    clear() {
      for (const key of keys()) backing.removeItem(key);
    },
    get length() {
      return keys().length;
    },
  };
}

interface SavedTabs {
  readonly activeTabIndex: number;
  readonly tabs: readonly { query: string | null; variables: string | null; headers: string | null }[];
}

/** The active tab of an earlier visit, or undefined on a first one. */
export function activeSavedTab(storage: TabStorage): SavedTabs['tabs'][number] | undefined {
  try {
    const saved = JSON.parse(storage.getItem('graphiql:tabState') ?? 'null') as SavedTabs | null;
    return saved?.tabs[saved.activeTabIndex];
  } catch {
    return undefined;
  }
}
