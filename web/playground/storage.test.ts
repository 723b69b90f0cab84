import { expect, test } from 'vitest';
import { authorizationHeader, sentHeaders } from './headers.ts';
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

const tabs = (token: string) =>
  JSON.stringify({
    activeTabIndex: 1,
    tabs: [
      { query: '{ a }', variables: null, headers: null },
      { query: '{ b }', variables: '{}', headers: authorizationHeader(token) },
    ],
  });

test('a token is never stored, and is read back as the one the page came with', () => {
  const backing = memoryStorage();
  createTabStorage(backing, { userToken: 'old.user', serviceToken: 'old.service' }).setItem(
    'graphiql:tabState',
    tabs('old.service'),
  );
  expect(JSON.stringify(backing)).not.toContain('old.service');

  const later = createTabStorage(backing, { userToken: 'new.user', serviceToken: 'new.service' });
  expect(activeSavedTab(later)).toEqual({
    query: '{ b }',
    variables: '{}',
    headers: authorizationHeader('new.service'),
  });
});

test('an unknown token gives way to the fresh user token', () => {
  const storage = createTabStorage(memoryStorage(), { userToken: 'fresh', serviceToken: 'service' });
  storage.setItem('graphiql:headers', authorizationHeader('expired.long.ago'));
  expect(storage.getItem('graphiql:headers')).toBe(authorizationHeader('fresh'));
});

test('without tokens in the page a pasted one is kept as it is', () => {
  const storage = createTabStorage(memoryStorage(), {});
  storage.setItem('graphiql:headers', authorizationHeader('pasted'));
  expect(storage.getItem('graphiql:headers')).toBe(authorizationHeader('pasted'));
});

test('clearing leaves the keys of other pages alone', () => {
  const backing = memoryStorage();
  backing.setItem('other', 'kept');
  const storage = createTabStorage(backing, {});
  storage.setItem('graphiql:query', '{ a }');
  expect(storage.length).toBe(1);
  storage.clear();
  expect([storage.length, backing.getItem('other')]).toEqual([0, 'kept']);
});

test('an Authorization header without a token is not sent', () => {
  expect(sentHeaders({ Authorization: 'Bearer ', 'X-Trace': 1 })).toEqual({ 'x-trace': '1' });
  expect(sentHeaders({ Authorization: 'Bearer abc' })).toEqual({ authorization: 'Bearer abc' });
});
