import net from 'node:net';
import { afterAll, beforeAll, it } from 'vitest';
import { startTestApp, type TestApp } from '../testing/app.ts';

let app: TestApp;
let alice: string;
let service: string;
const logged: unknown[] = [];
beforeAll(async () => {
  const log = (level: string) => (fields: unknown, message?: string) => void logged.push([level, message, String((fields as { err?: Error }).err ?? JSON.stringify(fields)).slice(0, 300)]);
  app = await startTestApp({}, { logger: { info() {}, warn: log('warn'), error: log('error') } as never });
  alice = await app.token();
  service = await app.token({ role: 'service', subject: 'shop' });
  await app.send(alice, '{viewer{id}}');
});
afterAll(() => app.stop());
function show(name: string, status: unknown, text: string) {
  console.log(`${name.padEnd(34)} ${status} ${text.slice(0, 300)}${logged.length ? `\n     LOG ${JSON.stringify(logged.splice(0))}` : ''}`);
}
async function post(name: string, body: string | Uint8Array, headers: Record<string, string> = {}, token = alice, method = 'POST', path = '/graphql') {
  try {
    const r = await fetch(app.url + path, { method, body: method === 'GET' || method === 'HEAD' ? undefined : (body as never), redirect: 'manual', headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers } });
    show(name, r.status, `${JSON.stringify(Object.fromEntries([...r.headers].filter(([k]) => /allow|location|connection|access|content-type/.test(k))))} ${await r.text()}`);
  } catch (e) { show(name, 'FETCH', String((e as Error).cause ?? e)); }
}
function raw(bytes: string | Buffer, waitMs = 1500): Promise<string> {
  return new Promise((resolve) => {
    const s = net.connect(Number(new URL(app.url).port), '127.0.0.1');
    let out = '';
    s.on('data', (d) => { out += d; });
    s.on('error', (e) => { out += `<${e.message}>`; });
    s.on('close', () => resolve(`${out}<closed>`));
    s.write(bytes);
    setTimeout(() => { s.destroy(); }, waitMs);
  });
}
const q = (query: string, variables?: unknown) => JSON.stringify({ query, variables });
it('http', async () => {
  const good = q('{viewer{userId}}');
  await post('empty', '');
  await post('[]', '[]');
  await post('{}', '{}');
  await post('null', 'null');
  await post('truncated', good.slice(0, 10));
  await post('BOM', `\ufeff${good}`);
  await post('invalid utf8', Buffer.concat([Buffer.from('{"query":"{viewer{userId}}","x":"'), Buffer.from([0xff]), Buffer.from('"}')]));
  await post('deep', '{"query":"{viewer{userId}}","variables":' + '{"a":'.repeat(15000) + '1' + '}'.repeat(15000) + '}');
  await post('deep arr', '{"query":"{viewer{userId}}","variables":{"a":' + '['.repeat(49000) + ']'.repeat(49000) + '}}');
  await post('deep 100000', '{"query":"{viewer{userId}}","variables":{"a":' + '['.repeat(100000) + ']'.repeat(100000) + '}}');
  await post('deep top', '['.repeat(100000) + ']'.repeat(100000) );
  await post('text/plain', good, { 'content-type': 'text/plain' });
  await post('json-patch', good, { 'content-type': 'application/json-patch+json' });
  await post('jsonx', good, { 'content-type': 'application/jsonx' });
  await post('multipart', good, { 'content-type': 'multipart/form-data' });
  await post('utf-16', good, { 'content-type': 'application/json; charset=utf-16' });
  await post('charset weird', good, { 'content-type': 'application/json; charset="x;y' });
  await post('gzip', good, { 'content-encoding': 'gzip' });
  await post('query number', '{"query":7}');
  await post('query object', '{"query":{"kind":"Document"}}');
  await post('no query', '{"variables":{}}');
  await post('vars string', '{"query":"{viewer{id}}","variables":"x"}');
  await post('vars array', '{"query":"{viewer{id}}","variables":[]}');
  await post('ext', '{"query":"{viewer{id}}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}}');
  await post('accept xml', good, { accept: 'text/xml' });
  await post('accept grj', good, { accept: 'application/graphql-response+json' });
  await post('accept multipart', good, { accept: 'multipart/mixed; incrementalSpec=v0.2' });
  await post('2MB', q(`{viewer{userId}} #${'x'.repeat(2e6)}`));
  await post('20MB', q(`{viewer{userId}} #${'x'.repeat(2e7)}`));
  const pad = (n: number, qq = '{viewer{userId}} #') => { const b = q(qq); return b.slice(0, -2) + 'x'.repeat(n - b.length) + '"}'; };
  await post('100000', pad(100000));
  await post('100001', pad(100001));
  await post('1000000 bulk', pad(1000000, 'mutation {upsertUsers(input:{users:[]}){createdCount userErrors{code}}} #'), {}, service);
  await post('1000001 bulk', pad(1000001, 'mutation {upsertUsers(input:{users:[]}){createdCount}} #'), {}, service);
  await post('bad token 2MB', pad(2000000), {}, 'x');
  await post('bad token 90k', pad(90000), {}, 'x');
  await post('PUT', good, {}, alice, 'PUT');
  await post('DELETE', good, {}, alice, 'DELETE');
  await post('HEAD', '', {}, alice, 'HEAD');
  await post('OPTIONS', '', {}, alice, 'OPTIONS');
  await post('GET nothing', '', {}, alice, 'GET');
  await post('GET query', '', {}, alice, 'GET', '/graphql?query={viewer{userId}}');
  await post('GET mutation', '', {}, alice, 'GET', '/graphql?query=mutation{openInbox(input:{}){badge{unseen}}}');
  await post('GET twice', '', {}, alice, 'GET', '/graphql?query={viewer{userId}}&query={viewer{userId}}');
  await post('GET vars', '', {}, alice, 'GET', '/graphql?query={viewer{userId}}&variables={');
  const g = await fetch(`${app.url}/graphql?query={viewer{userId}}`, { headers: { authorization: `Bearer ${alice}` } });
  show('GET csrf', g.status, await g.text());
  await post('GET html', '', { accept: 'text/html,application/xhtml+xml' }, alice, 'GET', '/graphql?query={a}');
  for (const p of ['/x', '/assets/', '/assets/../../../etc/passwd', '/assets/%2e%2e/%2e%2e/package.json', '/assets/..%2f..%2fpackage.json', '/assets/%', '/assets/%00', '/assets/bell-DpCTYhbx.svg', '/playground/', '/playground/index.html', '/demo', '/graphql/', '//', '/graphqlx', '/healthz', '/readyz', '/metrics', '/.env', '/__proto__', '/constructor']) await post(`GET ${p}`, '', {}, alice, 'GET', p);
  await post('POST /demo', '', {}, alice, 'POST', '/demo');
  await post('subscription', q('subscription{badgeChanged{kind}}'));
  await post('two ops', q('query a{viewer{id}} query b{viewer{id}}'));
  await post('unknown op', JSON.stringify({ query: 'query a{viewer{id}}', operationName: 'b' }));
  await post('proto op', JSON.stringify({ query: 'query a{viewer{id}}', operationName: '__proto__' }));
  await post('syntax', q('{viewer{'));
  await post('unknown field', q('{viewer{idd}}'));
  await post('unknown directive', q('{viewer @foo {id}}'));
  await post('cyclic', q('{viewer{...A}} fragment A on User{...B} fragment B on User{...A}'));
  let d = '{viewer{...F0}}';
  for (let i = 0; i < 30; i++) d += ` fragment F${i} on User{a:badge{id} ...F${i + 1} ...F${i + 1}}`;
  await post('doubling', q(`${d} fragment F30 on User{id}`));
  let e = '{viewer{...F0}}';
  for (let i = 0; i < 30; i++) e += ` fragment F${i} on User{...F${i + 1} ...F${i + 1}}`;
  await post('doubling plain', q(`${e} fragment F30 on User{badge{id}}`));
  await post('aliases', q(`{${Array.from({ length: 1000 }, (_, i) => `a${i}:viewer{id}`).join(' ')}}`));
  await post('16 aliases', q(`{viewer{${Array.from({ length: 16 }, (_, i) => `a${i}:id`).join(' ')}}}`));
  await post('repeats', q(`{viewer{${'id '.repeat(5000)}}}`));
  await post('depth', q('{node(id:""){...on User{notifications{edges{node{...on Notification{id}}}}}}}'));
  await post('var none', q('query($id:ID!){node(id:$id){id}}'));
  for (const [n, b] of Object.entries({
    'CL longer': `POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer ${alice}\r\nContent-Length: 200\r\n\r\n${good}`,
    'CL shorter': `POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nAuthorization: Bearer ${alice}\r\nContent-Length: 10\r\n\r\n${good}`,
    'CL bad': `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n${good}`,
    'CL neg': `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n${good}`,
    'CL+TE': `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'TE gzip': `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice}\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    'chunk bad': `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${alice}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    'pipeline': `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${alice}\r\nContent-Length: ${good.length}\r\n\r\n${good}GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    'nonsense': 'hello\r\n\r\n',
    'no host': 'GET /healthz HTTP/1.1\r\n\r\n',
    'h2c': `POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Type: application/json\r\nAuthorization: Bearer ${alice}\r\nContent-Length: ${good.length}\r\n\r\n${good}`,
    'abs': `GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    'ctl url': `GET /graphql?\x01 HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n`,
    'hi url': Buffer.from(`GET /graphql?\xff\xe9 HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n`, 'latin1'),
    'big header': `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20000)}\r\n\r\n`,
    'many headers': `GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${'X: y\r\n'.repeat(2500)}\r\n`,
    'two auth': `POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer ${alice}\r\nAuthorization: Bearer x\r\nContent-Length: ${good.length}\r\n\r\n${good}`,
    '401 big unread': `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n${'x'.repeat(2900000)}`,
    'expect': `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${alice}\r\nExpect: 100-continue\r\nContent-Length: 3000000\r\n\r\n`,
    'chunked endless': Buffer.from(`POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${alice}\r\nTransfer-Encoding: chunked\r\n\r\n${`10000\r\n${'x'.repeat(65536)}\r\n`.repeat(100)}`),
  })) show(n, '', JSON.stringify(await raw(b)));
});
