import { expect, it } from 'vitest';
import { serverUrls } from './server-urls.ts';

it.each([
  ['postgresql://a/db', ['postgresql://a/db']],
  [
    'postgresql://u:p,q@a:1,b:2/db?x=1,2',
    ['postgresql://u:p,q@a:1/db?x=1,2', 'postgresql://u:p,q@b:2/db?x=1,2'],
  ],
  ['postgresql://[::1]:1,[::2]', ['postgresql://[::1]:1', 'postgresql://[::2]']],
  ['postgresql:///db?host=/tmp', ['postgresql:///db?host=/tmp']],
  ['/var/run/postgresql db', ['/var/run/postgresql db']],
])('names each server of %s', (url, expected) => {
  expect(serverUrls(url)).toEqual(expected);
});
