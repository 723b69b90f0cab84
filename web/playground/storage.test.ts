import { expect, test } from 'vitest';
import { sentHeaders } from './headers.ts';
import { activeSavedTab, createTabStorage } from './storage.ts';

function memoryStorage(): Storage {
  const entries: Record<string, string> = {};
  const storage = {
    getItem: (key: string) => entries[key] ?? null,
    setItem: (key: string, value: string) => {
      entries[key] = value;
      // As in a browser, where the entries are also own properties.
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

test('the active tab of an earlier visit is read back as it was, with the token pasted into it', () => {
  const backing = memoryStorage();
  const tabs = { activeTabIndex: 1, tabs: [{ query: '{ a }', variables: null, headers: null }, tab] };
  createTabStorage(backing).setItem('graphiql:tabState', JSON.stringify(tabs));
  expect(activeSavedTab(createTabStorage(backing))).toEqual(tab);
  expect(activeSavedTab(createTabStorage(memoryStorage()))).toBeUndefined();
});

test('clearing leaves the keys of other pages alone', () => {
  const backing = memoryStorage();
  backing.setItem('other', 'kept');
  const storage = createTabStorage(backing);
  storage.setItem('graphiql:query', '{ a }');
  expect(storage.length).toBe(1);
  storage.clear();
  expect([storage.length, backing.getItem('other')]).toEqual([0, 'kept']);
});

test('an Authorization header without a token is not sent', () => {
  expect(sentHeaders({ Authorization: 'Bearer ', 'X-Trace': 1 }, undefined)).toEqual({ 'x-trace': '1' });
  expect(sentHeaders({ Authorization: 'Bearer abc' }, undefined)).toEqual({ authorization: 'Bearer abc' });
});

test('the token of the page is sent where the tab has none, and gives way to one in the tab', () => {
  expect(sentHeaders(undefined, 'session')).toEqual({ authorization: 'Bearer session' });
  expect(sentHeaders({ Authorization: 'Bearer ' }, 'session')).toEqual({ authorization: 'Bearer session' });
  expect(sentHeaders({ Authorization: 'Bearer abc' }, 'session')).toEqual({ authorization: 'Bearer abc' });
});
