import { expect, test } from 'vitest';
import { sentHeaders } from './headers.ts';
import { activeSavedTab, createTabStorage } from './storage.ts';

function memoryStorage(): Storage {
  const entries: Record<string, string> = {};
  const storage = {
    getItem: (key: string) => entries[key] ?? null,
    setItem: (key: string, value: string) => {
      entries[key] = value;
      // In a browser, the entries of a storage are also own properties of the storage object.
      Object.assign(storage, { [key]: value });
    },
    removeItem: (key: string) => {
      delete entries[key];
      Reflect.deleteProperty(storage, key);
    },
    clear: () => {},
    key: () => null,
    length: 0,
  };
  return storage;
}

const tab = { query: '{ b }', variables: '{}', headers: '{"Authorization":"Bearer pasted"}' };

test('reads back the active tab of an earlier visit with its pasted token', () => {
  const backing = memoryStorage();
  const tabs = { activeTabIndex: 1, tabs: [{ query: '{ a }', variables: null, headers: null }, tab] };
  createTabStorage(backing).setItem('graphiql:tabState', JSON.stringify(tabs));
  expect(activeSavedTab(createTabStorage(backing))).toEqual(tab);
  expect(activeSavedTab(createTabStorage(memoryStorage()))).toBeUndefined();
});

test('does not delete keys of other pages', () => {
  const backing = memoryStorage();
  backing.setItem('other', 'kept');
  const storage = createTabStorage(backing);
  storage.setItem('graphiql:query', '{ a }');
  expect(storage.length).toBe(1);
  storage.clear();
  expect([storage.length, backing.getItem('other')]).toEqual([0, 'kept']);
});

test('sends no Authorization header without a token', () => {
  expect(sentHeaders({ Authorization: 'Bearer ', 'X-Trace': 1 }, undefined)).toEqual({ 'x-trace': '1' });
  expect(sentHeaders({ Authorization: 'Bearer abc' }, undefined)).toEqual({ authorization: 'Bearer abc' });
});

test('sends the token of the page unless the tab has a token', () => {
  expect(sentHeaders(undefined, 'session')).toEqual({ authorization: 'Bearer session' });
  expect(sentHeaders({ Authorization: 'Bearer ' }, 'session')).toEqual({ authorization: 'Bearer session' });
  expect(sentHeaders({ Authorization: 'Bearer abc' }, 'session')).toEqual({ authorization: 'Bearer abc' });
});
