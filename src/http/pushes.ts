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
  let event: unknown;
  const texts = new Map<string, string>();
  const numbers = new WeakMap<DocumentNode, number>();
  let documents = 0;

  function operationOf({ document, operationName, variableValues }: ExecutionArgs): string {
    const number = numbers.get(document) ?? ++documents;
    numbers.set(document, number);
    return JSON.stringify([number, operationName ?? null, variableValues ?? null]);
  }

  /** The payload for an event. */
  function write(
    value: unknown,
    args: ExecutionArgs,
    operation: string,
    mask: Destination['mask'],
  ): string | Promise<string> {
    if (value !== event) {
      event = value;
      texts.clear();
    }
    const known = texts.get(operation);
    if (known !== undefined) return known;
    const finish = (result: ExecutionResult): string => {
      // Errors carry the id of the request that asked.
      if (result.errors)
        return JSON.stringify({ data: result.data ?? null, errors: result.errors.map(mask) });
      const text = JSON.stringify(result);
      if (value === event && texts.size < maxTexts) texts.set(operation, text);
      return text;
    };
    const result = executeEvent(args, value, contextValue);
    return 'then' in result ? result.then(finish) : finish(result);
  }

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
      const events = source[Symbol.asyncIterator]();
      let ended = false;

      async function next(): Promise<IteratorResult<ExecutionResult, void>> {
        for (;;) {
          const { value, done } = await events.next();
          if (done || ended) return { value: undefined, done: true };
          const written = write(value, args, operation, mask);
          const sent = send(typeof written === 'string' ? written : await written);
          if (sent) await sent;
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
    },
  };
}
