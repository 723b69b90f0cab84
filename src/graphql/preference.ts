import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Mutation,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import { type CategoryChoice, categoryPreferences, maxChosenCategories } from '../domain/preference.ts';
import { type Problem, problemsOf } from '../domain/problem.ts';
import type { User } from '../domain/user.ts';
import { categoryName } from '../events/notification.ts';
import type { Act } from '../flow/act/act.ts';
import type { Read } from '../flow/read/read.ts';
import { BadgeType, badgeNode } from './badge.ts';
import { Computed } from './computed.ts';
import { type Context, targetUser } from './engine/context.ts';
import { MutationPayload, type UserError, userErrorsOf } from './payload.ts';
import { TimeZone } from './scalars.ts';
import { UserType } from './user.ts';

@ObjectType({ simpleResolvers: true, description: 'Whether notifications of a category reach the user.' })
class CategoryPreference {
  @Field(() => String, { description: 'The category, 1 to 64 characters of `A-Z a-z 0-9 _ . : -`.' })
  category!: string;

  @Field(() => Boolean, {
    description: 'Whether the user wants notifications of this category. Defaults to true.',
  })
  enabled!: boolean;

  @Field(() => Boolean, {
    description:
      'Whether critical notifications of this category always reach the user (`LOCKED_CATEGORIES`).',
  })
  locked!: boolean;
}

@ObjectType({ simpleResolvers: true, description: 'Which notifications reach a user.' })
class NotificationPreferences {
  @Field(() => Boolean, {
    description:
      'If false, only critical notifications of locked categories reach the user. Same as `canReceiveNotifications`.',
  })
  enabled!: boolean;

  @Field(() => [CategoryPreference], {
    description: 'The categories with a preference, at most 100, and the locked categories, sorted by name.',
  })
  categories!: readonly CategoryPreference[];
}

@InputType({ description: 'A preference for one category.' })
class CategoryPreferenceInput {
  @Field(() => String, {
    description:
      'The category, 1 to 64 characters of `A-Z a-z 0-9 _ . : -`. The category need not be in use.',
  })
  category!: string;

  @Field(() => Boolean, { description: 'Whether notifications of this category reach the user.' })
  enabled!: boolean;
}

@InputType({
  description: 'The values to change. An absent field does not change the value. Null restores the default.',
})
class UpdatePreferencesInput {
  @Field(() => ID, {
    nullable: true,
    description:
      'The user to act for. Defaults to the caller. Acting for another user requires a service or admin token.',
  })
  userId?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Turns all notifications on or off. Defaults to true.',
  })
  enabled?: boolean | null;

  @Field(() => [CategoryPreferenceInput], {
    nullable: true,
    description: `At most ${maxChosenCategories} categories, without duplicates. The preferences for other categories do not change.`,
  })
  categories?: CategoryPreferenceInput[] | null;

  @Field(() => TimeZone, {
    nullable: true,
    description: "The time zone of the user's days. Defaults to UTC.",
  })
  timeZone?: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'The preferences after the mutation.',
})
class PreferencesPayload implements MutationPayload {
  @Field(() => NotificationPreferences, { nullable: true, description: 'Null if there are errors.' })
  preferences!: NotificationPreferences | null;

  @Field(() => BadgeType, {
    nullable: true,
    description:
      'The badge. The mutation does not change the badge, because preferences affect only later notifications. Null if there are errors.',
  })
  @Computed()
  badge!: BadgeType | null;

  userErrors!: readonly UserError[];
}

interface Deps {
  readonly act: Act;
  readonly read: Read;
  readonly lockedCategories: readonly string[];
}

@Resolver(() => UserType)
export class PreferenceResolver {
  constructor(private readonly deps: Deps) {}

  @FieldResolver(() => NotificationPreferences, { description: 'Which notifications reach the user.' })
  async preferences(@Root() user: User): Promise<NotificationPreferences> {
    return this.preferencesOf(user, await this.deps.read.categoryChoices(user));
  }

  @Mutation(() => PreferencesPayload, {
    description:
      'Changes which notifications reach a user from now on. Notifications that were sent before do not change.',
  })
  async updatePreferences(
    @Arg('input', () => UpdatePreferencesInput) input: UpdatePreferencesInput,
    @Ctx() context: Context,
  ) {
    const { act, read } = this.deps;
    const key = targetUser(context, input.userId);
    const categories = input.categories ?? [];
    const problems = choiceProblems(categories);
    if (problems.length > 0) return refused(problems);
    // A request with a user token creates the user, even if Unseen has no event of the user.
    if (context.caller.role === 'user') await read.self(key);
    const { enabled, timeZone } = input;
    const patch = { canReceiveNotifications: enabled, timeZone };
    const done = await act.updatePreferences(key, { patch, categories });
    if ('problem' in done) return refused([done.problem]);
    return {
      preferences: this.preferencesOf(done.user, done.choices),
      badge: async () => badgeNode(await read.currentBadge(key)),
      userErrors: [],
    };
  }

  private preferencesOf(user: User, choices: readonly CategoryChoice[]): NotificationPreferences {
    return {
      enabled: user.canReceiveNotifications,
      categories: categoryPreferences(choices, this.deps.lockedCategories),
    };
  }
}

const refused = (problems: readonly Problem[]) => ({
  preferences: null,
  badge: null,
  userErrors: userErrorsOf(problems),
});

function choiceProblems(categories: readonly CategoryChoice[]): readonly Problem[] {
  const path = ['input', 'categories'];
  if (categories.length > maxChosenCategories) {
    const message = `categories must have at most ${maxChosenCategories} entries.`;
    return [{ code: 'TOO_MANY_ITEMS', message, path }];
  }
  const seen = new Set<string>();
  return categories.flatMap(({ category }, index): readonly Problem[] => {
    const at = [...path, String(index), 'category'];
    const parsed = categoryName.safeParse(category);
    if (!parsed.success) return problemsOf(parsed.error, at);
    if (seen.has(category))
      return [{ code: 'INVALID_INPUT', message: 'Duplicate category in this request.', path: at }];
    seen.add(category);
    return [];
  });
}
