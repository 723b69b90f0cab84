/** Raised when the example tabs change: saved tabs beat default ones, so old ones would hide the new. */
const EXAMPLES_VERSION = 2;
// GraphiQL prefixes every key with `graphiql:`, which other projects on the same localhost port use too.
const PREFIX = `unseen:${EXAMPLES_VERSION}:`;

/** What of `Storage` GraphiQL uses. */
export type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'clear' | 'length'>;

/**
 * Where GraphiQL keeps tabs, drafts and history: in `backing`, beside what other pages keep there. They may hold pasted
 * tokens, so it has to be storage that ends with the tab.
 */
export function createTabStorage(backing: Storage): TabStorage {
  const keys = (): string[] => Object.keys(backing).filter((key) => key.startsWith(PREFIX));

  return {
    getItem: (key) => backing.getItem(PREFIX + key),
    setItem: (key, text) => backing.setItem(PREFIX + key, text),
    removeItem: (key) => backing.removeItem(PREFIX + key),
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
