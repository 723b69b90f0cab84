import {
  Arg,
  Ctx,
  Field,
  ID,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Resolver,
  registerEnumType,
} from 'type-graphql';
import type { Problem } from '../domain/problem.ts';
import type { Act } from '../flow/act/act.ts';
import type { Ingest } from '../flow/record/ingest.ts';
import type { Clock } from '../ports/clock.ts';
import { type Context, targetUser } from './engine/context.ts';
import { UserLimitType } from './limit.ts';
import { LimitPeriod, LimitType } from './limit-enum.ts';
import { LimitNode } from './limit-node.ts';
import { MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { DateTime, Decimal, IdempotencyKey, JSONObject } from './scalars.ts';

/** The maximum number of events in one call. */
const maxEvents = 500;

@InputType({ description: 'A limit to create or redefine.' })
class CreateUserLimitInput {
  @Field(() => ID, { description: 'The user of the limit. The user must exist.' })
  userId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      "The caller's id of the limit, 1 to 128 characters. Defaults to a new id. If the user already has a limit with this id, the mutation redefines that limit. The old value becomes `previousLimitValue`, and the progress does not change.",
  })
  userLimitId?: string | null;

  @Field(() => String, { description: 'The brand of the limit, 1 to 128 characters.' })
  brandId!: string;

  @Field(() => LimitType, { description: 'The type of the limit. UNKNOWN is refused.' })
  type!: LimitType;

  @Field(() => LimitPeriod, { description: 'The period after which the limit resets. UNKNOWN is refused.' })
  period!: LimitPeriod;

  @Field(() => Decimal, {
    description: 'The value of the limit, 0 or more. The value of a SESSION limit is in seconds.',
  })
  value!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'The currency of the amounts, 1 to 16 characters, e.g. EUR. Defaults to the currency of the existing limit.',
  })
  currencyCode?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The start of the limit, after February 1973. Defaults to the start of the existing limit, or to now for a new limit. Before the start, the limit has the status FUTURE.',
  })
  activeFrom?: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'The end of the limit, in the future and after `activeFrom`. Defaults to no end.',
  })
  activeUntil?: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      "The time of the next reset, in the future. Defaults to the end of the period in the user's time zone.",
  })
  nextResetAt?: Date | null;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe. A repeated call with the same key has no further effect.',
  })
  idempotencyKey?: string | null;
}

const limitOfThatId =
  'The id of the limit. If limits of several users have this id, the mutation returns CONFLICT. In that case use `ingestLimitEvents`.';

@InputType({ description: 'An amount to add to the progress of a limit.' })
class UpdateUserLimitProgressInput {
  @Field(() => ID, { description: limitOfThatId })
  userLimitId!: string;

  @Field(() => Decimal, { description: 'The amount to add to the progress, 0 or more.' })
  amount!: string;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe. A repeated call with the same key has no further effect.',
  })
  idempotencyKey?: string | null;
}

@InputType({ description: 'A limit to reset.' })
class ResetUserLimitInput {
  @Field(() => ID, { description: limitOfThatId })
  userLimitId!: string;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The time of the next reset, in the future. Defaults to the end of the period that begins now.',
  })
  nextResetAt?: Date | null;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe. A repeated call with the same key has no further effect.',
  })
  idempotencyKey?: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The limit after the mutation.',
})
class UserLimitPayload implements MutationPayload {
  @Field(() => UserLimitType, { nullable: true, description: 'Null if there are errors.' })
  userLimit!: UserLimitType | null;

  userErrors!: readonly UserError[];
}

enum IngestOutcome {
  ACCEPTED = 'ACCEPTED',
  IGNORED_TYPE = 'IGNORED_TYPE',
  INVALID = 'INVALID',
  QUOTA_EXCEEDED = 'QUOTA_EXCEEDED',
}
registerEnumType(IngestOutcome, {
  name: 'IngestOutcome',
  description: 'The outcome of an ingested event.',
  valuesConfig: {
    ACCEPTED: {
      description:
        'The event is durable. A worker applies the event exactly once, a moment later. A repeated call has no further effect.',
    },
    IGNORED_TYPE: { description: 'The event is of a type that Unseen ignores. No action is needed.' },
    INVALID: {
      description: 'The event is not readable and was not stored. The message says what is wrong and where.',
    },
    QUOTA_EXCEEDED: {
      description:
        'The user or the tenant has reached the daily quota of limit events. The event was not stored. The message says when to send the event again.',
    },
  },
});

@ObjectType({ simpleResolvers: true, description: 'The result of one event.' })
class IngestResult {
  @Field(() => Int, { description: 'The index of the event in the call, from 0.' })
  index!: number;

  @Field(() => ID, {
    nullable: true,
    description: "The producer's id of the event. Null if the event has no id.",
  })
  eventId!: string | null;

  @Field(() => IngestOutcome, { description: 'The outcome of the event.' })
  outcome!: IngestOutcome;

  @Field(() => String, {
    nullable: true,
    description: 'What is wrong with the event. Null if the outcome is ACCEPTED or IGNORED_TYPE.',
  })
  message!: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The outcomes of the events.',
})
class IngestLimitEventsPayload implements MutationPayload {
  @Field(() => [IngestResult], { description: 'One result per event, in the order of the input.' })
  results!: readonly IngestResult[];

  userErrors!: readonly UserError[];
}

@Resolver()
export class LimitCommandResolver {
  constructor(private readonly deps: { readonly act: Act; readonly ingest: Ingest; readonly clock: Clock }) {}

  @Mutation(() => UserLimitPayload, {
    description:
      'Creates or redefines a limit of a user, and publishes an event on the topic of limits. Requires a service or admin token.',
  })
  async createUserLimit(
    @Arg('input', () => CreateUserLimitInput) { idempotencyKey, ...input }: CreateUserLimitInput,
    @Ctx() context: Context,
  ) {
    const { userLimitId, currencyCode, activeFrom, activeUntil, nextResetAt, ...must } = input;
    const command = {
      ...must,
      userId: targetUser(context, input.userId).userId,
      userLimitId: userLimitId ?? undefined,
      currencyCode: currencyCode ?? undefined,
      activeFrom: activeFrom ?? undefined,
      activeUntil: activeUntil ?? undefined,
      nextResetAt: nextResetAt ?? undefined,
    };
    const { act } = this.deps;
    return this.payload(await act.createUserLimit(context.caller, command, idempotencyKey ?? undefined));
  }

  @Mutation(() => UserLimitPayload, {
    description:
      'Adds an amount to the progress of a limit. If the progress reaches a threshold (80 % and 100 % by default), the user gets a notification in the same transaction. Requires a service or admin token.',
  })
  async updateUserLimitProgress(
    @Arg('input', () => UpdateUserLimitProgressInput)
    { userLimitId, amount, idempotencyKey }: UpdateUserLimitProgressInput,
    @Ctx() { caller }: Context,
  ) {
    const { act } = this.deps;
    return this.payload(
      await act.updateUserLimitProgress(caller, { userLimitId, amount }, idempotencyKey ?? undefined),
    );
  }

  @Mutation(() => UserLimitPayload, {
    description:
      'Resets a limit. The progress becomes 0, and the user is notified again when the progress reaches a threshold. Requires a service or admin token.',
  })
  async resetUserLimit(
    @Arg('input', () => ResetUserLimitInput) {
      userLimitId,
      nextResetAt,
      idempotencyKey,
    }: ResetUserLimitInput,
    @Ctx() { caller }: Context,
  ) {
    const input = { userLimitId, nextResetAt: nextResetAt ?? undefined };
    return this.payload(await this.deps.act.resetUserLimit(caller, input, idempotencyKey ?? undefined));
  }

  @Mutation(() => IngestLimitEventsPayload, {
    description:
      'Ingests up to 500 limit events exactly as their producer wrote them. Answers when the accepted events are durable, with one outcome per event. Events may arrive in any order and more than once. Requires a service or admin token.',
  })
  async ingestLimitEvents(
    @Arg('events', () => [JSONObject], { description: '1 to 500 events.' })
    events: readonly Record<string, unknown>[],
    @Ctx() { caller }: Context,
  ) {
    if (events.length === 0 || events.length > maxEvents) {
      const problem: Problem = {
        code: events.length === 0 ? 'INVALID_INPUT' : 'TOO_MANY_ITEMS',
        message: `events must have 1 to ${maxEvents} entries.`,
        path: ['events'],
      };
      return { results: [], userErrors: userErrorsOf([problem]) };
    }
    const written = events.map((event) => Buffer.from(JSON.stringify(event)));
    const results = await this.deps.ingest.limitEvents(caller, written);
    return {
      results: results.map(({ eventId, ...result }, index) => ({
        index,
        eventId,
        outcome: result.outcome,
        message: 'message' in result ? result.message : null,
      })),
      userErrors: [],
    };
  }

  private payload(done: Awaited<ReturnType<Act['resetUserLimit']>>) {
    return 'problems' in done
      ? { userLimit: null, userErrors: userErrorsOf(done.problems) }
      : { userLimit: new LimitNode(done.limit, this.deps.clock.now()), userErrors: [] };
  }
}
