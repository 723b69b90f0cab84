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

/** The socket that receives the pushes of a subscription. */
export interface Destination {
  /**
   * Sends a payload of JSON. If it returns a promise, the next payload waits until the promise resolves. If
   * it returns undefined, the next payload can follow at once.
   */
  send(payload: string): Promise<void> | undefined;
  mask(error: GraphQLError): GraphQLFormattedError;
}

/**
 * The maximum number of payloads that are stored for one event. Each operation that selects other fields has
 * its own payload.
 */
const maxTexts = 100;

/**
 * Runs subscriptions whose events go to many sockets. Each event is executed and serialised once per
 * operation, even if many clients have subscribed with this operation. So the result may depend only on the
 * event, the document and the variables. Resolvers below a subscription get no caller in their context. When
 * a client subscribes, Unseen checks whether the client may see the events.
 */
export function createPushes(contextValue: Pick<Context, 'container'>) {
  const operationOf = createOperationNames();
  const write = createPayloads(contextValue);
  return {
    /**
     * Begins a subscription. Resolves with an iterator for graphql-ws that yields no values and ends when the
     * subscription ends. Resolves with the errors if the subscription cannot begin.
     */
    async subscribe(args: ExecutionArgs, { send, mask }: Destination) {
      // The name is computed before the source is opened, because the computation throws if JSON cannot
      // represent the variables. An open source would then stay open.
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

/**
 * Gives names to operations. Two operations have the same name if their documents, operation names and
 * variables are the same.
 */
function createOperationNames() {
  const numbers = new WeakMap<DocumentNode, number>();
  let documents = 0;
  return ({ document, operationName, variableValues }: ExecutionArgs): string => {
    const number = numbers.get(document) ?? ++documents;
    numbers.set(document, number);
    return JSON.stringify([number, operationName ?? null, variableValues ?? null]);
  };
}

/** Writes the payload of an event for an operation. Stores only the payloads of the newest event. */
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
      // Errors contain the request id of one subscription, so other subscriptions cannot use their text.
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

/**
 * Pushes each event after the operating system has taken the previous event. The returned iterator yields no
 * values and ends when the events end.
 */
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
