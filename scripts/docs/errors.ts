import { errorTable } from '../../src/domain/error.ts';
import { problemTable } from '../../src/domain/problem.ts';
import { httpStatus } from '../../src/graphql/engine/error.ts';
import { closeTable } from '../../src/http/close-codes.ts';
import { table } from './markdown.ts';

/** Maps each party at fault to its name in the manual. The name of `elsewhere` differs between the tables. */
const faultIn = (elsewhere: string) => ({ caller: 'the caller', us: 'Unseen', elsewhere }) as const;
const helps = (retriable: boolean) => (retriable ? 'yes' : 'no');

/** Returns the page of the manual that lists all error codes, close codes and HTTP statuses. */
export function errorsPage(): string {
  return `# Error and close codes

After this page you can find the cause of each code, whether a retry helps, and the fix.

Unseen reports a failure in one of three places:

- **\`errors\`** of the GraphQL response, if the request or a field failed. See [error codes](#error-codes).
- **\`userErrors\`** of a mutation, if the request was understood but was not done. See [user error codes](#user-error-codes).
- **A close code**, if a socket ends. See [close codes](#close-codes).

Write programs for the codes. The messages are for people and may change.

## Error codes

\`\`\`json
{
  "errors": [
    {
      "message": "Too many requests: 50 per second are allowed per user. Try again in 2 s.",
      "extensions": {
        "code": "RATE_LIMITED",
        "retryAfter": 2
      }
    }
  ]
}
\`\`\`

\`extensions.code\` is one of the codes below. \`retryAfter\` is in seconds and is absent if Unseen cannot know it. Each response has
the id of the request in the header \`x-request-id\`. If the caller is not at fault, the error has the same id in
\`extensions.requestId\`, and the log has the cause under this id.

${table(['code', 'HTTP status', 'meaning', 'at fault', 'a retry helps', 'what to do'], requestRows())}
The HTTP status applies if the response has no data. If other fields of the operation succeeded, the status is 200 and \`errors\`
names the \`path\` of each field that failed. The status may be more precise than the code: a wrong method has the code
\`BAD_USER_INPUT\` and the status 405.

After \`UNAVAILABLE\`, after a timeout and after a lost connection, the caller cannot know whether a mutation was done. Repeat the
mutation with the same \`idempotencyKey\`: Unseen does it once and returns the same result.

## User error codes

\`\`\`json
{
  "data": {
    "sendNotification": {
      "notificationId": null,
      "userErrors": [
        {
          "code": "OPTED_OUT",
          "message": "The user receives no notifications.",
          "path": ["input", "userId"]
        }
      ]
    }
  }
}
\`\`\`

\`path\` leads from the arguments of the mutation to the value. Each user error concerns the item that it names. A bulk mutation
does the rest.

${table(['code', 'meaning', 'a retry helps', 'what to do'], userErrorRows())}
## Close codes

A client connects again after a code for something that passes by itself. The public client of
[graphql-ws](https://github.com/enisdenjo/graphql-ws) does so by default, but gives up after 5 attempts. The
[front end page](./front-end.md) shows how to change this.

${table(['code', 'meaning', 'at fault', 'connect again', 'what to do'], closeRows())}
## HTTP statuses

${table(['status', 'when'], statusRows())}
## Codes of dead letters

An event that can never be applied becomes a dead letter with one of these codes. [Operations](./operations.md) says how to list
and retry dead letters.

${table(['code', 'meaning', 'at fault', 'what to do'], eventRows())}`;
}

type Entry = [code: string, entry: (typeof errorTable)[keyof typeof errorTable]];
const entriesOf = (place: string) =>
  (Object.entries(errorTable) as Entry[]).filter(([, entry]) => entry.place === place);

function requestRows(): readonly string[][] {
  return entriesOf('request').map(([code, { message, fault, retriable, advice }]) => [
    `\`${code}\``,
    String(httpStatus[code] ?? 500),
    message,
    faultIn('a backend')[fault],
    helps(retriable),
    advice,
  ]);
}

function eventRows(): readonly string[][] {
  return entriesOf('event').map(([code, { message, fault, advice }]) => [
    `\`${code}\``,
    message,
    faultIn('the producer')[fault],
    advice,
  ]);
}

function userErrorRows(): readonly string[][] {
  return Object.entries(problemTable).map(([code, { meaning, retriable, advice }]) => [
    `\`${code}\``,
    meaning,
    helps(retriable),
    advice,
  ]);
}

function closeRows(): readonly string[][] {
  return Object.values(closeTable)
    .toSorted((a, b) => a.code - b.code)
    .map(({ code, meaning, fault, reconnects, advice }) => [
      String(code),
      meaning,
      faultIn('the network')[fault],
      helps(reconnects),
      advice,
    ]);
}

/** The statuses without an error code, with their descriptions. */
const otherStatuses: Readonly<Record<number, string>> = {
  200: 'The operation was executed. Some fields may have failed. A page or a health check was answered.',
  204: 'The answer to a CORS preflight.',
  302: 'A redirect to a page, for example from `/` to the playground.',
  304: 'The browser has the current version of a page or an asset.',
  404: 'The path does not exist, or this process is a worker without the API.',
  405: 'The method is wrong. Send operations by `POST`, or queries by `GET`.',
  408: 'The client took too long: 10 s for the headers, 30 s for the whole request.',
  431: 'The headers are too large.',
};

function statusRows(): readonly string[][] {
  const codes = new Map<number, string[]>();
  for (const [code] of entriesOf('request')) {
    const status = httpStatus[code] ?? 500;
    codes.set(status, [...(codes.get(status) ?? []), `\`${code}\``]);
  }
  const coded = [...codes].map(([status, names]) => [status, names.join(', ')] as const);
  const others = Object.entries(otherStatuses).map(([status, text]) => [Number(status), text] as const);
  return [...coded, ...others].toSorted(([a], [b]) => a - b).map(([status, text]) => [String(status), text]);
}
