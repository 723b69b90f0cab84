import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLError,
  type GraphQLFormattedError,
} from 'graphql';
import type { Context } from '../graphql/engine/context.ts';
import { executeEvent } from '../graphql/engine/execute.ts';

/** Where the pushes of a subscription go. */
export interface Destination {
  /** Resolves when the payload, JSON, is on its way: until then the next one waits. */
  send(payload: string): Promise<void> | undefined;
  mask(error: GraphQLError): GraphQLFormattedError;
}

/** Texts that one event is written out as, at most: as many operations may ask for it in other words. */
const maxTexts = 100;

/**
 * Runs subscriptions whose events go to many sockets: an event is executed and written out once per operation, however
 * many subscribed with it. So what it answers must follow from the event, the document and the variables: resolvers below
 * a subscription get no caller in their context. Who may see what is decided when subscribing.
 */
export function createPushes(contextValue: Pick<Context, 'container'>) {
  const operationOf = createOperationNames();
  const write = createPayloads(contextValue);
  return {
    /**
     * Begins a subscription. What it resolves with is for graphql-ws to keep: an iterator without values that ends with
     * the subscription, or the errors because of which there is none.
     */
    async subscribe(args: ExecutionArgs, { send, mask }: Destination) {
      // Before there is a source: it throws for variables that cannot be written down.
      const operation = operationOf(args);
      const source = await createSourceEventStream(args);
      if (!(Symbol.asyncIterator in source)) return source;
      return pushEach(source[Symbol.asyncIterator](), (event) => {
        const payload = write(event, args, operation, mask);
        return typeof payload === 'string' ? send(payload) : payload.then(send);
      });
    },
  };
}

/** Names operations: two have the same name if they have the same document, operation and variables. */
function createOperationNames() {
  const numbers = new WeakMap<DocumentNode, number>();
  let documents = 0;
  return ({ document, operationName, variableValues }: ExecutionArgs): string => {
    const number = numbers.get(document) ?? ++documents;
    numbers.set(document, number);
    return JSON.stringify([number, operationName ?? null, variableValues ?? null]);
  };
}

/** Writes the payload of an event for an operation. Payloads of the newest event are kept. */
function createPayloads(contextValue: Pick<Context, 'container'>) {
  let newest: unknown;
  const texts = new Map<string, string>();
  return (
    event: unknown,
    args: ExecutionArgs,
    operation: string,
    mask: Destination['mask'],
  ): string | Promise<string> => {
    if (event !== newest) {
      newest = event;
      texts.clear();
    }
    const known = texts.get(operation);
    if (known !== undefined) return known;
    const finish = (result: ExecutionResult): string => {
      // Errors carry the id of the request that asked.
      if (result.errors)
        return JSON.stringify({ data: result.data ?? null, errors: result.errors.map(mask) });
      const text = JSON.stringify(result);
      if (event === newest && texts.size < maxTexts) texts.set(operation, text);
      return text;
    };
    const result = executeEvent(args, event, contextValue);
    return 'then' in result ? result.then(finish) : finish(result);
  };
}

/** Pushes each event when the one before is on its way. The iterator has no values and ends with the events. */
function pushEach(
  events: AsyncIterator<unknown, unknown>,
  push: (event: unknown) => Promise<void> | undefined,
): AsyncGenerator<ExecutionResult, void> {
  let ended = false;

  async function next(): Promise<IteratorResult<ExecutionResult, void>> {
    for (;;) {
      const { value, done } = await events.next();
      if (done || ended) return { value: undefined, done: true };
      const pushed = push(value);
      if (pushed) await pushed;
    }
  }

  async function end(): Promise<IteratorResult<ExecutionResult, void>> {
    ended = true;
    await events.return?.();
    return { value: undefined, done: true };
  }

  const iterator: AsyncGenerator<ExecutionResult, void> = {
    next,
    return: end,
    async throw(error) {
      await end();
      throw error;
    },
    [Symbol.asyncIterator]: () => iterator,
    [Symbol.asyncDispose]: async () => void (await end()),
  };
  return iterator;
}
