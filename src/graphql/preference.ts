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
  @Field(() => String, { description: '1 to 64 of `A-Z a-z 0-9 _ . : -`.' })
  category!: string;

  @Field(() => Boolean, { description: 'What the user chose; true when nothing was.' })
  enabled!: boolean;

  @Field(() => Boolean, {
    description:
      'Critical notifications of this category reach the user whatever is chosen (`LOCKED_CATEGORIES`).',
  })
  locked!: boolean;
}

@ObjectType({ simpleResolvers: true, description: 'What reaches a user.' })
class NotificationPreferences {
  @Field(() => Boolean, {
    description:
      'Off: nothing does, but for critical notifications of locked categories. The same as `canReceiveNotifications`.',
  })
  enabled!: boolean;

  @Field(() => [CategoryPreference], {
    description: 'The categories something was chosen about, at most 100, and the locked ones; by name.',
  })
  categories!: readonly CategoryPreference[];
}

@InputType({ description: 'A choice about a category.' })
class CategoryPreferenceInput {
  @Field(() => String, {
    description: '1 to 64 of `A-Z a-z 0-9 _ . : -`, whether or not anything was sent in it.',
  })
  category!: string;

  @Field(() => Boolean, { description: 'Whether its notifications are to reach the user.' })
  enabled!: boolean;
}

@InputType({
  description: 'What to change: an absent field keeps its value, null goes back to the default.',
})
class UpdatePreferencesInput {
  @Field(() => ID, {
    nullable: true,
    description: 'Default: the caller. Another needs a service or admin token.',
  })
  userId?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'On or off for everything. Default: true.' })
  enabled?: boolean | null;

  @Field(() => [CategoryPreferenceInput], {
    nullable: true,
    description: `At most ${maxChosenCategories}, each once; categories not named keep what was chosen.`,
  })
  categories?: CategoryPreferenceInput[] | null;

  @Field(() => TimeZone, { nullable: true, description: "Where the user's days begin. Default: UTC." })
  timeZone?: string | null;
}

@ObjectType({
  implements: MutationPayload,
  simpleResolvers: true,
  description: 'Preferences after the change.',
})
class PreferencesPayload implements MutationPayload {
  @Field(() => NotificationPreferences, { nullable: true, description: 'Null when there are errors.' })
  preferences!: NotificationPreferences | null;

  @Field(() => BadgeType, {
    nullable: true,
    description:
      'The badge, which no preference changes: they are about what is sent later. Null when there are errors.',
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

  @FieldResolver(() => NotificationPreferences, { description: 'What reaches the user.' })
  async preferences(@Root() user: User): Promise<NotificationPreferences> {
    return this.preferencesOf(user, await this.deps.read.categoryChoices(user));
  }

  @Mutation(() => PreferencesPayload, {
    description:
      'Changes what reaches a user from now on. What was suppressed before stays suppressed, what arrived stays.',
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
    // Whoever holds a user token exists, even before anything was recorded of them.
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
      return [{ code: 'INVALID_INPUT', message: 'category stands in this call twice.', path: at }];
    seen.add(category);
    return [];
  });
}
