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

/** Events in one call. */
const maxEvents = 500;

@InputType({ description: 'A limit to define.' })
class CreateUserLimitInput {
  @Field(() => ID, { description: 'Whose it is; must exist.' })
  userId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      "The caller's own name for it, 1 to 128 characters; absent: one is made. A limit of the user that has it is defined anew: its value becomes `previousLimitValue`, its progress stays.",
  })
  userLimitId?: string | null;

  @Field(() => String, { description: '1 to 128 characters.' })
  brandId!: string;

  @Field(() => LimitType, { description: 'What it limits; not UNKNOWN.' })
  type!: LimitType;

  @Field(() => LimitPeriod, { description: 'How long it goes on before it starts anew; not UNKNOWN.' })
  period!: LimitPeriod;

  @Field(() => Decimal, { description: 'How much may be used, 0 or more; seconds for SESSION.' })
  value!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Of the amounts, 1 to 16 characters, e.g. EUR. Default: as it was.',
  })
  currencyCode?: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'After February 1973. Default: as it was, or now. Ahead: it is FUTURE until then.',
  })
  activeFrom?: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Ahead, and behind activeFrom. Default: it does not end.',
  })
  activeUntil?: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: "Ahead. Default: by the period, in the user's time zone.",
  })
  nextResetAt?: Date | null;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe: the same key is done once.',
  })
  idempotencyKey?: string | null;
}

const limitOfThatId =
  'The limit. CONFLICT where producers gave several users one of that id: send what happens to it by `ingestLimitEvents`.';

@InputType({ description: 'What was used of a limit.' })
class UpdateUserLimitProgressInput {
  @Field(() => ID, { description: limitOfThatId })
  userLimitId!: string;

  @Field(() => Decimal, { description: 'On top of what is used, 0 or more.' })
  amount!: string;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe: the same key is done once.',
  })
  idempotencyKey?: string | null;
}

@InputType({ description: 'A limit to start anew.' })
class ResetUserLimitInput {
  @Field(() => ID, { description: limitOfThatId })
  userLimitId!: string;

  @Field(() => DateTime, { nullable: true, description: 'Ahead. Default: by the period, from now on.' })
  nextResetAt?: Date | null;

  @Field(() => IdempotencyKey, {
    nullable: true,
    description: 'Makes a retry safe: the same key is done once.',
  })
  idempotencyKey?: string | null;
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'A limit after the change.' })
class UserLimitPayload implements MutationPayload {
  @Field(() => UserLimitType, { nullable: true, description: 'Null when there are errors.' })
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
  description: 'What became of an event that was brought in.',
  valuesConfig: {
    ACCEPTED: { description: 'It is durable, and applied once, a moment later; a repeat changes nothing.' },
    IGNORED_TYPE: { description: 'An event of others, about something else. Nothing is to be done.' },
    INVALID: { description: 'It cannot be read; the message says what and where. It was not kept.' },
    QUOTA_EXCEEDED: {
      description:
        'The user or the tenant has as many events of limits as a day allows. It was not kept; the message says when to send it again.',
    },
  },
});

@ObjectType({ simpleResolvers: true, description: 'What became of one event.' })
class IngestResult {
  @Field(() => Int, { description: 'Its place in the call, from 0.' })
  index!: number;

  @Field(() => ID, { nullable: true, description: "Its producer's name for it; null when it has none." })
  eventId!: string | null;

  @Field(() => IngestOutcome, { description: 'Whether it was taken.' })
  outcome!: IngestOutcome;

  @Field(() => String, {
    nullable: true,
    description: 'What is wrong with it; null if it is ACCEPTED or IGNORED_TYPE.',
  })
  message!: string | null;
}

@ObjectType({ implements: MutationPayload, simpleResolvers: true, description: 'What became of the events.' })
class IngestLimitEventsPayload implements MutationPayload {
  @Field(() => [IngestResult], { description: 'One per event, in their order.' })
  results!: readonly IngestResult[];

  userErrors!: readonly UserError[];
}

@Resolver()
export class LimitCommandResolver {
  constructor(private readonly deps: { readonly act: Act; readonly ingest: Ingest; readonly clock: Clock }) {}

  @Mutation(() => UserLimitPayload, {
    description:
      'Defines a limit of a user, or defines it anew, and tells whoever reads the topic of limits. Service and admin tokens only.',
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
      'Adds to what is used of a limit. Crossing a threshold (80 % and 100 % unless configured) notifies the user in the same step. Service and admin tokens only.',
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
      'Starts a limit anew: nothing of it is used, and its thresholds are armed again. Service and admin tokens only.',
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
      'Takes up to 500 events about limits as their producer writes them, unmodified, and answers when those that were accepted are durable; one outcome each. Bringing them in again, in whatever order, changes nothing. Service and admin tokens only.',
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
