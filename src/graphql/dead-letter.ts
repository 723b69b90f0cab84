import { Arg, Ctx, Field, ID, InputType, Int, Mutation, ObjectType, Query, Resolver } from 'type-graphql';
import { validate as isUuid } from 'uuid';
import { deadLetterTenants, readable } from '../domain/dead-letter.ts';
import { AppError } from '../domain/error.ts';
import type { Problem } from '../domain/problem.ts';
import { text } from '../events/text.ts';
import type { Act } from '../flow/act/act.ts';
import { type DeadLetterReads, type StoredDeadLetter } from '../flow/read/dead-letters.ts';
import { Computed } from './computed.ts';
import {
  afterArg,
  createConnection,
  decodeCursor,
  encodeCursor,
  firstArg,
  pageOf,
  pageRequest,
} from './connection.ts';
import type { Context } from './engine/context.ts';
import { nodeId, parseNodeId } from './node-id.ts';
import { Node } from './node-interface.ts';
import { MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { BigIntScalar, DateTime } from './scalars.ts';

/** The maximum number of ids in one call. */
const maxItems = 500;

/**
 * The maximum number of bytes of a record in an answer. A record can have up to 1 MB, and a page up to 100
 * records.
 */
const maxPayloadBytes = 16_384;

@ObjectType('DeadLetter', {
  implements: Node,
  simpleResolvers: true,
  description:
    'A record of the log that a worker could not apply. Unseen stores the whole record. Admins see the dead letters of their tenant. Dead letters of an unknown tenant belong to the tenant `default`.',
})
export class DeadLetterType implements Node {
  id!: string;

  @Field(() => String, {
    description: 'The topic of the record. A retry puts the record back on this topic.',
  })
  topic!: string;

  @Field(() => Int, {
    description: 'The partition of the record. -1 for a retried record that the log refused.',
  })
  partition!: number;

  @Field(() => BigIntScalar, { description: 'The offset of the record in its partition.' })
  offset!: bigint;

  @Field(() => String, {
    description:
      'The kind of failure: `MALFORMED_EVENT`, `USER_NOT_FOUND`, `REJECTED_EVENT` (the event is readable, but cannot be applied), or `TOO_SLOW` (applying the event exceeds the statement timeout or waits for a locked row, although the database accepts other writes).',
  })
  errorCode!: string;

  @Field(() => String, {
    description: 'A sentence that describes the failure and does not quote the record.',
  })
  errorMessage!: string;

  @Field(() => Int, { description: 'The number of times that a worker tried to apply the record.' })
  attempts!: number;

  @Field(() => String, {
    description:
      'The first 16 384 bytes of the record. `unseen dlq show` prints all bytes. If the record is UTF-8, the payload is the text of the record. Otherwise the payload is `base64:` followed by the bytes in base64. Text that begins with `base64:` is in base64 too.',
  })
  @Computed()
  payload!: string;

  @Field(() => Int, { description: 'The size of the whole record in bytes.' })
  payloadBytes!: number;

  @Field(() => DateTime, { description: 'When the record became a dead letter.' })
  failedAt!: Date;
}

const DeadLetterConnection = createConnection('DeadLetter', {
  node: DeadLetterType,
  description: 'A page of dead letters, newest first.',
  edge: { description: 'A dead letter with its cursor.' },
  totalCount: 'The number of all entries that match the filter. Counted only if selected.',
});

@InputType({
  description: 'Selects dead letters that match every field. An absent field matches all dead letters.',
})
class DeadLetterFilter {
  @Field(() => String, { nullable: true, description: 'Only dead letters of this topic.' })
  topic?: string | null;

  @Field(() => String, { nullable: true, description: 'Only dead letters with this error code.' })
  errorCode?: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The result of the retry.',
})
class RetryDeadLettersPayload implements MutationPayload {
  @Field(() => Int, { description: 'The number of dead letters that go back to their topics.' })
  retriedCount!: number;

  userErrors!: readonly UserError[];
}

export const deadLetterNode = ({ payload, ...letter }: StoredDeadLetter) => ({
  ...letter,
  __typename: 'DeadLetter' as const,
  id: nodeId('DeadLetter', letter.id),
  payload: () =>
    readable(payload.subarray(0, maxPayloadBytes), { isCut: letter.payloadBytes > maxPayloadBytes }),
});

/** The tenants whose dead letters the caller may see. */
export const visibleTenants = ({ caller }: Context) => ({ tenantIds: deadLetterTenants(caller.tenantId) });

const isPlace = ([time = '', id = '', ...rest]: readonly string[]) =>
  rest.length === 0 && /^\d{1,15}$/.test(time) && isUuid(id);

@Resolver(() => DeadLetterType)
export class DeadLetterResolver {
  constructor(private readonly deps: { readonly act: Act; readonly deadLetterReads: DeadLetterReads }) {}

  @Query(() => DeadLetterConnection, {
    description: 'The records of the log that could not be applied, newest first. Requires an admin token.',
  })
  async deadLetters(
    @Ctx() context: Context,
    @Arg('first', () => Int, firstArg)
    first: number | null,
    @Arg('after', () => String, afterArg)
    after?: string,
    @Arg('filter', () => DeadLetterFilter, { nullable: true, description: 'Restricts the list.' })
    filter?: DeadLetterFilter,
  ) {
    const { deadLetterReads } = this.deps;
    const { tenantId } = context.caller;
    const page = pageRequest(first, after);
    const owner = { tenantId };
    const place =
      page.after === undefined ? undefined : decodeCursor(page.after, 'deadLetters', owner, isPlace);
    const wanted = { ...visibleTenants(context), ...checkedFilter(filter ?? {}) };
    const rows = await deadLetterReads.list({
      ...wanted,
      first: page.first,
      maxPayloadBytes,
      ...(place && { after: { failedAt: new Date(Number(place[0])), id: place[1] as string } }),
    });
    const cursorOf = ({ failedAt, id }: StoredDeadLetter) =>
      encodeCursor('deadLetters', owner, [String(failedAt.getTime()), id]);
    return {
      ...pageOf(rows, page, { cursorOf, nodeOf: deadLetterNode }),
      totalCount: () => deadLetterReads.count(wanted),
    };
  }

  @Mutation(() => RetryDeadLettersPayload, {
    description:
      'Puts dead letters back on their topics with their keys, and removes them from the list. A record that fails again becomes a new dead letter with another id. If an event is retried several times, the event is applied only once. Requires an admin token.',
  })
  async retryDeadLetters(
    @Arg('ids', () => [ID], {
      description:
        '1 to 500 ids of dead letters. Unknown ids are reported in `userErrors`, and all other dead letters are retried.',
    })
    ids: string[],
    @Ctx() context: Context,
  ) {
    if (ids.length === 0 || ids.length > maxItems) {
      const code = ids.length === 0 ? ('INVALID_INPUT' as const) : ('TOO_MANY_ITEMS' as const);
      const problem = { code, message: `ids must have 1 to ${maxItems} entries.`, path: ['ids'] };
      return { retriedCount: 0, userErrors: userErrorsOf([problem]) };
    }
    const uuids = ids.map(uuidOf);
    const known = uuids.filter((uuid) => uuid !== undefined);
    const retried = new Set(await this.deps.act.retryDeadLetters(known, visibleTenants(context)));
    const problems = uuids.flatMap((uuid, index): readonly Problem[] =>
      uuid !== undefined && retried.has(uuid)
        ? []
        : [
            {
              code: 'NOT_FOUND',
              message: 'The tenant has no dead letter with this id.',
              path: ['ids', String(index)],
            },
          ],
    );
    return { retriedCount: retried.size, userErrors: userErrorsOf(problems) };
  }
}

/** Returns the uuid in the global id of a dead letter, or undefined if the id is not such an id. */
function uuidOf(id: string): string | undefined {
  const { kind, parts: [uuid = ''] = [] } = parseNodeId(id) ?? {};
  return kind === 'DeadLetter' && isUuid(uuid) ? uuid.toLowerCase() : undefined;
}

/** Kafka limits the name of a topic to 249 characters. */
const filterText = text(249);

function checkedFilter({ topic, errorCode }: DeadLetterFilter) {
  for (const [field, value] of Object.entries({ topic, errorCode })) {
    const parsed = filterText.nullish().safeParse(value);
    if (!parsed.success) {
      throw new AppError('BAD_USER_INPUT', `filter.${field} ${parsed.error.issues[0]?.message}.`);
    }
  }
  return { ...(topic && { topic }), ...(errorCode && { errorCode }) };
}
