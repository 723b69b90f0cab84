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

/** Items one bulk mutation takes. */
const maxItems = 500;

/** Bytes of a record that are answered: a record has up to 1 MB, and a page 100 of them. */
const maxPayloadBytes = 16_384;

@ObjectType('DeadLetter', {
  implements: Node,
  simpleResolvers: true,
  description:
    'A record of the log that could not be applied, kept whole. Admins see those of their tenant; those whose record does not say whose it is are for the admins of the tenant `default`.',
})
export class DeadLetterType implements Node {
  id!: string;

  @Field(() => String, { description: 'The topic it stood on, and goes back to when it is retried.' })
  topic!: string;

  @Field(() => Int, {
    description: 'The partition it stood in; -1 for a retried one that the log would not take.',
  })
  partition!: number;

  @Field(() => BigIntScalar, { description: 'Its place in the partition.' })
  offset!: bigint;

  @Field(() => String, {
    description:
      'What went wrong: `MALFORMED_EVENT`, `USER_NOT_FOUND`, `REJECTED_EVENT` (it can be read, but not applied) or `TOO_SLOW` (applying it takes longer than a statement may, or needs a row that stays locked, and the database is well).',
  })
  errorCode!: string;

  @Field(() => String, { description: 'What went wrong, for people. Does not quote the record.' })
  errorMessage!: string;

  @Field(() => Int, { description: 'How often it was tried.' })
  attempts!: number;

  @Field(() => String, {
    description:
      "The record's bytes, the first 16 384 of them (`unseen dlq show` prints all): as text when they are UTF-8, else in base64 behind `base64:`. Text that itself begins with `base64:` comes in base64 too.",
  })
  @Computed()
  payload!: string;

  @Field(() => Int, { description: 'How many bytes the whole record has.' })
  payloadBytes!: number;

  @Field(() => DateTime, { description: 'When it was given up.' })
  failedAt!: Date;
}

const DeadLetterConnection = createConnection('DeadLetter', {
  node: DeadLetterType,
  description: 'A page of dead letters, newest first.',
  edge: { description: 'A dead letter and its place in the list.' },
  totalCount: 'All entries the filter lets through; counted only when asked for.',
});

@InputType({ description: 'Which dead letters: what is absent is not asked for.' })
class DeadLetterFilter {
  @Field(() => String, { nullable: true, description: 'Of this topic.' })
  topic?: string | null;

  @Field(() => String, { nullable: true, description: 'With this error code.' })
  errorCode?: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'What became of the dead letters.',
})
class RetryDeadLettersPayload implements MutationPayload {
  @Field(() => Int, { description: 'How many are on their way back to their topics.' })
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

/** Whose dead letters the caller may see. */
export const visibleTenants = ({ caller }: Context) => ({ tenantIds: deadLetterTenants(caller.tenantId) });

const isPlace = ([time = '', id = '', ...rest]: readonly string[]) =>
  rest.length === 0 && /^\d{1,15}$/.test(time) && isUuid(id);

@Resolver(() => DeadLetterType)
export class DeadLetterResolver {
  constructor(private readonly deps: { readonly act: Act; readonly deadLetterReads: DeadLetterReads }) {}

  @Query(() => DeadLetterConnection, {
    description: 'Records of the log that could not be applied, newest first. Admin tokens only.',
  })
  async deadLetters(
    @Ctx() context: Context,
    @Arg('first', () => Int, firstArg)
    first: number | null,
    @Arg('after', () => String, afterArg)
    after?: string,
    @Arg('filter', () => DeadLetterFilter, { nullable: true, description: 'Only some of them.' })
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
      'Puts dead letters back on their topics, with their keys, to be applied again, and takes them off the list. One that fails again comes back as a new dead letter, with another id. An event counts once, however often it is retried. Admin tokens only.',
  })
  async retryDeadLetters(
    @Arg('ids', () => [ID], {
      description:
        '1 to 500 ids of dead letters. Unknown ones are reported in userErrors and the others retried.',
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
        : [{ code: 'NOT_FOUND', message: 'No such dead letter.', path: ['ids', String(index)] }],
    );
    return { retriedCount: retried.size, userErrors: userErrorsOf(problems) };
  }
}

/** The uuid in the id of a dead letter. */
function uuidOf(id: string): string | undefined {
  const { kind, parts: [uuid = ''] = [] } = parseNodeId(id) ?? {};
  return kind === 'DeadLetter' && isUuid(uuid) ? uuid.toLowerCase() : undefined;
}

/** Kafka's names of topics have at most 249 characters. */
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
