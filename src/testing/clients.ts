import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { expect } from 'vitest';
import WebSocket from 'ws';
import { signToken } from '../adapters/jwt/sign-token.ts';
import type { Role } from '../domain/caller.ts';
import { secret } from './program.ts';

/** Signs a token that is valid for an hour and that the programs of the tests accept. */
export const tokenOf = (subject: string, role: Role = 'user') =>
  signToken(secret, { subject, role, tenantId: 'default', expiresIn: '1h' });

const recordPageView = `mutation ($input: RecordPageViewInput!) {
  done: recordPageView(input: $input) { id: eventId userErrors { code message } }
}`;
const sendNotification = `mutation ($input: SendNotificationInput!) {
  done: sendNotification(input: $input) { id: notificationId userErrors { code message } }
}`;

/**
 * A mutation that a client wants applied once. The client repeats the mutation with the same idempotency key
 * until the API acknowledges the mutation.
 */
export interface Wish {
  readonly kind: 'view' | 'notification';
  readonly userId: string;
  readonly query: string;
  readonly input: object;
}

/**
 * Returns `count` mutations. Each mutation is for the next user in turn. One third are notifications, and the
 * rest are page views.
 */
export function wishes(users: readonly string[], count: number, prefix: string): readonly Wish[] {
  return Array.from({ length: count }, (_, n) => {
    const userId = users[n % users.length] as string;
    const common = { userId, idempotencyKey: `${prefix}-${n}` };
    return n % 3 === 0
      ? {
          kind: 'notification',
          userId,
          query: sendNotification,
          input: { ...common, content: { title: `number ${n}` } },
        }
      : { kind: 'view', userId, query: recordPageView, input: { ...common, name: `page ${n % 5}` } };
  });
}

/** Returns the number of mutations of each kind for the user. */
export function countsIn(done: readonly Wish[], userId: string) {
  const own = done.filter((wish) => wish.userId === userId);
  const notifications = own.filter(({ kind }) => kind === 'notification').length;
  return { notifications, views: own.length - notifications };
}

export interface Answer {
  readonly data?: { readonly done: { readonly id: string | null; readonly userErrors: readonly unknown[] } };
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
}

/** Sends one operation to the program at `url`. */
export async function send(url: string, token: string, query: string, variables: object) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const text = await response.text();
  return { status: response.status, answer: JSON.parse(text) as Answer };
}

export async function createUsers(url: string, token: string, users: readonly string[]): Promise<void> {
  const upsert = `mutation ($input: UpsertUsersInput!) { upsertUsers(input: $input) { createdCount } }`;
  for (let start = 0; start < users.length; start += 500) {
    const patches = users.slice(start, start + 500).map((userId) => ({ userId, patch: {} }));
    expect((await send(url, token, upsert, { input: { users: patches } })).status).toBe(200);
  }
}

/**
 * Starts clients that send the mutations to the URL that `urlNow` returns. A client repeats a mutation until
 * the API acknowledges the mutation.
 */
export function work(
  urlNow: () => string,
  token: string,
  todo: readonly Wish[],
  { clients, pauseMs = 0 }: { readonly clients: number; readonly pauseMs?: number },
) {
  const waiting = [...todo];
  const acknowledged: Wish[] = [];
  const refusals: unknown[] = [];
  let isFinishing = false;
  let isStopped = false;
  let slowestMs = 0;
  const finished = Promise.all(
    Array.from({ length: clients }, async () => {
      for (let wish = waiting.shift(); wish && !isStopped && !isFinishing; wish = waiting.shift()) {
        while (!isStopped) {
          const sentAt = performance.now();
          const sent = await send(urlNow(), token, wish.query, { input: wish.input }).catch(() => undefined);
          slowestMs = Math.max(slowestMs, performance.now() - sentAt);
          const done = sent?.answer.data?.done;
          if (done?.id) {
            acknowledged.push(wish);
            break;
          }
          // A refused connection and UNAVAILABLE are temporary. The program must not return any other error.
          const code = sent?.answer.errors?.[0]?.extensions.code;
          if (sent && code !== 'UNAVAILABLE') refusals.push(sent);
          await delay(50);
        }
        if (pauseMs > 0) await delay(pauseMs);
      }
    }),
  );
  return {
    acknowledged,
    refusals,
    finished,
    /** The longest time that a client waited for an answer or an error, in ms. */
    slowestMs: () => Math.round(slowestMs),
    /** Stops sending new mutations. Resolves when the API has acknowledged every sent mutation. */
    finish() {
      isFinishing = true;
      return finished;
    },
    /** Stops the clients, even if the API has not acknowledged some of their mutations. */
    stop() {
      isStopped = true;
      return finished;
    },
  };
}

/** The updates that a user's browser has shown. */
export interface Screen {
  readonly userId: string;
  readonly updates: readonly {
    readonly kind: string;
    readonly badge: { readonly unseen: number; readonly version: number };
  }[];
  readonly closeCodes: readonly number[];
  dispose(): Promise<void>;
}

/**
 * Watches the badge of a user as a browser does: reconnects after a lost connection, and records the updates.
 */
export async function follow(url: string, userId: string): Promise<Screen> {
  const token = await tokenOf(userId);
  const updates: Screen['updates'][number][] = [];
  const closeCodes: number[] = [];
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: Number.POSITIVE_INFINITY,
    // Without this option the client retries only after a close event. A refused connection causes no close
    // event.
    shouldRetry: () => true,
    retryWait: () => delay(100),
    on: { closed: (event) => closeCodes.push((event as { code: number }).code) },
  });
  client.subscribe(
    { query: 'subscription { badgeChanged { kind badge { unseen version } } }' },
    {
      next: ({ data }) => updates.push(data?.['badgeChanged'] as Screen['updates'][number]),
      error() {},
      complete() {},
    },
  );
  // `dispose` of a client that is reconnecting rejects with the reason why the client cannot connect.
  return { userId, updates, closeCodes, dispose: () => Promise.resolve(client.dispose()).catch(() => {}) };
}

/** Returns the user's counts as the API reports them. */
export async function countsOf(url: string, token: string, userId: string) {
  const query = `query ($userId: ID!) { user(userId: $userId) { badge { unseen } pageViews { totalCount } } }`;
  const { answer } = await send(url, token, query, { userId });
  const { user } = answer.data as unknown as {
    readonly user: {
      readonly badge: { readonly unseen: number };
      readonly pageViews: { readonly totalCount: number };
    };
  };
  return { notifications: user.badge.unseen, views: user.pageViews.totalCount };
}
