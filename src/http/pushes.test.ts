import { buildSchema, type ExecutionArgs, GraphQLError, parse } from 'graphql';
import { describe, expect, it, vi } from 'vitest';
import { createOneSlot } from '../async/one-slot.ts';
import { createPushes } from './pushes.ts';

interface Event {
  readonly n: number;
}

const schema = buildSchema(`
  type Query { a: Int }
  type Tick { n: Int! times(by: Int!): Int!, caller: String, fails: Int }
  type Subscription { tick: Tick! }`);
const executions = vi.fn();
const Tick = schema.getType('Tick');
if (!Tick || !('getFields' in Tick)) throw new Error('The schema has no type Tick.');
const fields = Tick.getFields() as Record<string, { resolve?: unknown }>;
Object.assign(fields['n'] as object, {
  resolve: ({ n }: Event) => {
    executions();
    return n;
  },
});
Object.assign(fields['times'] as object, { resolve: ({ n }: Event, { by }: { by: number }) => n * by });
Object.assign(fields['caller'] as object, {
  resolve: (_: Event, __: unknown, context: { caller?: string }) => context.caller,
});
Object.assign(fields['fails'] as object, {
  resolve: () => {
    throw new Error('internal');
  },
});

const documents = new Map<string, ReturnType<typeof parse>>();
function documentOf(source: string) {
  const document = documents.get(source) ?? parse(source);
  documents.set(source, document);
  return document;
}

/** Begins a subscription with its own source of events, and collects the payloads sent to it. */
async function begin(
  pushes: ReturnType<typeof createPushes>,
  source: string,
  variableValues: Record<string, unknown> = {},
) {
  const events = createOneSlot<string, Event>();
  const sent: unknown[] = [];
  let hold: Promise<void> | undefined;
  const args: ExecutionArgs = {
    schema,
    document: documentOf(source),
    variableValues,
    contextValue: { caller: 'alice' },
    rootValue: { tick: () => events },
  };
  const iterator = await pushes.subscribe(args, {
    send(payload) {
      sent.push(JSON.parse(payload));
      return hold;
    },
    mask: () => new GraphQLError('masked').toJSON(),
  });
  if (!(Symbol.asyncIterator in iterator)) throw new Error('The subscription could not begin.');
  const ended = iterator.next();
  return {
    sent,
    iterator,
    ended,
    put: (event: Event) => events.put('tick', event),
    hold(until: Promise<void>) {
      hold = until;
    },
  };
}

const pushes = () => createPushes({ container: { get: () => ({}) as never } });
const tickOf = (event: object) => ({ tick: event });
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('an event for many subscriptions', () => {
  it('is executed once per operation, and its result reaches every subscription', async () => {
    const all = pushes();
    const plain = '{ tick { n } }';
    const times = 'subscription ($by: Int!) { tick { times(by: $by) } }';
    const same = await Promise.all(Array.from({ length: 50 }, () => begin(all, `subscription ${plain}`)));
    const [doubled, trebled] = [await begin(all, times, { by: 2 }), await begin(all, times, { by: 3 })];
    executions.mockClear();
    for (const n of [1, 2]) {
      const event = tickOf({ n });
      for (const subscription of [...same, doubled, trebled]) subscription.put(event as never);
      await settled();
    }
    for (const { sent } of same)
      expect(sent).toEqual([{ data: tickOf({ n: 1 }) }, { data: tickOf({ n: 2 }) }]);
    expect(doubled.sent.at(-1)).toEqual({ data: tickOf({ times: 4 }) });
    expect(trebled.sent.at(-1)).toEqual({ data: tickOf({ times: 6 }) });
    expect(executions).toHaveBeenCalledTimes(2);
  });

  it('is executed separately from an equal event of another subscription', async () => {
    const all = pushes();
    const [a, b] = [
      await begin(all, 'subscription { tick { n } }'),
      await begin(all, 'subscription { tick { n } }'),
    ];
    executions.mockClear();
    a.put(tickOf({ n: 1 }) as never);
    b.put(tickOf({ n: 1 }) as never);
    await settled();
    expect(executions).toHaveBeenCalledTimes(2);
  });

  it('is executed without the caller', async () => {
    const subscription = await begin(pushes(), 'subscription { tick { caller } }');
    subscription.put(tickOf({}) as never);
    await settled();
    expect(subscription.sent).toEqual([{ data: tickOf({ caller: null }) }]);
  });

  it('gives each subscription its own masked errors', async () => {
    const all = pushes();
    const event = tickOf({ n: 1 });
    const both = [
      await begin(all, 'subscription { tick { n fails } }'),
      await begin(all, 'subscription { tick { n fails } }'),
    ];
    executions.mockClear();
    for (const subscription of both) subscription.put(event as never);
    await settled();
    for (const { sent } of both) {
      expect(sent).toEqual([{ data: tickOf({ n: 1, fails: null }), errors: [{ message: 'masked' }] }]);
    }
    expect(executions).toHaveBeenCalledTimes(2);
  });
});

describe('a subscription', () => {
  it('takes the next event only after the previous event has been sent', async () => {
    const subscription = await begin(pushes(), 'subscription { tick { n } }');
    let release = () => {};
    subscription.hold(
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    for (const n of [1, 2, 3]) {
      subscription.put(tickOf({ n }) as never);
      await settled();
    }
    expect(subscription.sent).toEqual([{ data: tickOf({ n: 1 }) }]);
    release();
    await settled();
    // While the first event was being sent, the last event replaced the second event.
    expect(subscription.sent.at(-1)).toEqual({ data: tickOf({ n: 3 }) });
    expect(subscription.sent).toHaveLength(2);
  });

  it('ends and sends nothing more after `return` of its iterator is called', async () => {
    const subscription = await begin(pushes(), 'subscription { tick { n } }');
    await subscription.iterator.return();
    subscription.put(tickOf({ n: 1 }) as never);
    expect(await subscription.ended).toEqual({ value: undefined, done: true });
    expect(subscription.sent).toEqual([]);
  });

  it('resolves with the errors if it cannot begin', async () => {
    const rootValue = { tick: () => Promise.reject(new Error('no')) };
    const result = await pushes().subscribe(
      { schema, document: documentOf('subscription { tick { n } }'), rootValue },
      { send: () => undefined, mask: (error) => error.toJSON() },
    );
    expect(result).toMatchObject({ errors: [{ message: 'no' }] });
  });
});
