import type { Credentials, Role } from '../credentials.ts';
import type { TypedDocumentString } from '../generated/graphql.ts';

const TIMEOUT_MS = 10_000;

/** A failed request. The message is for the user of the page. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

interface GraphQLAnswer {
  readonly data?: unknown;
  readonly errors?: readonly GraphQLProblem[];
}

interface GraphQLProblem {
  readonly message: string;
  readonly extensions?: { readonly code?: unknown };
}

/** Sends typed documents as queries and mutations over HTTP. */
export function createApi(credentials: Credentials) {
  async function send(query: string, variables: unknown, role: Role): Promise<GraphQLAnswer> {
    const token = credentials.token(role);
    let response: Response;
    try {
      response = await fetch('/graphql', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/graphql-response+json, application/json;q=0.9',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      const message =
        cause instanceof DOMException && cause.name === 'TimeoutError'
          ? `The server did not answer within ${TIMEOUT_MS / 1000} seconds.`
          : 'The page cannot reach the server. Try again in a moment.';
      throw new ApiError('UNREACHABLE', message, { cause });
    }
    try {
      return (await response.json()) as GraphQLAnswer;
    } catch (cause) {
      throw new ApiError('UNREADABLE', `The server answered with an error (HTTP ${response.status}).`, {
        cause,
      });
    }
  }

  return {
    /** Resolves with the data of the answer. Rejects with ApiError if the answer has an error. */
    async request<Data, Variables>(
      document: TypedDocumentString<Data, Variables>,
      variables: Variables,
      role: Role = 'user',
    ): Promise<Data> {
      const answer = await send(document.toString(), variables, role);
      const problem = answer.errors?.[0];
      if (problem !== undefined) throw new ApiError(codeOf(problem), inWords(problem));
      if (answer.data === undefined || answer.data === null) {
        throw new ApiError('UNREADABLE', 'The server answered without data.');
      }
      return answer.data as Data;
    },
  };
}

/** The code of a GraphQL error, or UNKNOWN. */
export function codeOf(problem: GraphQLProblem): string {
  return typeof problem.extensions?.code === 'string' ? problem.extensions.code : 'UNKNOWN';
}

/** A GraphQL error as a sentence for the user of the page. */
export function inWords(problem: GraphQLProblem): string {
  switch (codeOf(problem)) {
    case 'UNAUTHENTICATED':
      return 'The server did not accept the token. It may have expired.';
    case 'FORBIDDEN':
      return `This token does not allow that: ${problem.message}`;
    case 'RATE_LIMITED':
      return 'Too many requests. Wait a moment and try again.';
    case 'UNAVAILABLE':
      return 'The server is running, but one of its backends is not available. Try again in a moment.';
    case 'INTERNAL_SERVER_ERROR':
      return `The server failed: ${problem.message}`;
    default:
      return problem.message;
  }
}
