/**
 * Increase this version when the example tabs change. GraphiQL prefers saved tabs to default tabs, so old
 * tabs would hide the new examples.
 */
const EXAMPLES_VERSION = 3;
// GraphiQL starts every key with `graphiql:`. Other projects on the same localhost port use the same keys.
const PREFIX = `unseen:${EXAMPLES_VERSION}:`;

/** The part of `Storage` that GraphiQL uses. */
export type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'clear' | 'length'>;

/**
 * Creates the storage where GraphiQL saves tabs, drafts and history. The storage uses keys of `backing` that
 * other pages do not use. Tabs may contain pasted tokens, so `backing` must be storage that the browser
 * deletes when the tab closes.
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

/** The active tab of the previous visit. undefined on the first visit. */
export function activeSavedTab(storage: TabStorage): SavedTabs['tabs'][number] | undefined {
  try {
    const saved = JSON.parse(storage.getItem('graphiql:tabState') ?? 'null') as SavedTabs | null;
    return saved?.tabs[saved.activeTabIndex];
  } catch {
    return undefined;
  }
}
