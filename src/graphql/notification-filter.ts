import { Field, ID, InputType } from 'type-graphql';
import { AppError } from '../domain/error.ts';
import type { NotificationFilter } from '../domain/notification.ts';
import { DateTimeRangeInput } from './date-time-range.ts';

/** The maximum number of categories in one filter. */
const maxCategories = 50;

@InputType('NotificationFilter', {
  description: 'Selects notifications of an inbox that match every field.',
})
export class NotificationFilterInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'True selects seen notifications, and false selects unseen ones. Defaults to both.',
  })
  seen?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True selects read notifications, and false selects unread ones. Defaults to both.',
  })
  read?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'True selects archived notifications, false selects all others, and null selects both.',
  })
  archived?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'True selects snoozed notifications, false selects all others, and null selects both.',
  })
  snoozed?: boolean | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Only these categories, at most 50. Defaults to all.',
  })
  categories?: readonly string[] | null;

  @Field(() => ID, { nullable: true, description: 'Only notifications about this page or item.' })
  subjectId?: string | null;

  @Field(() => DateTimeRangeInput, {
    nullable: true,
    description: 'Only notifications that were sent in this time range.',
  })
  createdAt?: DateTimeRangeInput | null;
}

/** The filter that applies if the caller gives none: notifications that are not archived and not snoozed. */
export const listed: NotificationFilter = { archived: false, snoozed: false };

/**
 * Converts the input to the filter of the store. Throws BAD_USER_INPUT if the filter cannot match any
 * notification.
 */
export function filterOf(input: NotificationFilterInput | null | undefined): NotificationFilter {
  if (!input) return listed;
  const { seen, read, archived, snoozed, categories, subjectId, createdAt } = input;
  if (createdAt?.to && createdAt.to <= createdAt.from) {
    throw new AppError('BAD_USER_INPUT', 'filter.createdAt.to must be later than filter.createdAt.from.');
  }
  if (categories && (categories.length === 0 || categories.length > maxCategories)) {
    throw new AppError('BAD_USER_INPUT', `filter.categories must have 1 to ${maxCategories} entries.`);
  }
  return {
    ...(typeof seen === 'boolean' && { seen }),
    ...(typeof read === 'boolean' && { read }),
    ...(typeof archived === 'boolean' && { archived }),
    ...(typeof snoozed === 'boolean' && { snoozed }),
    ...(categories && { categories: storable(categories) }),
    ...(typeof subjectId === 'string' && { subjectId: storable([subjectId])[0] as string }),
    ...(createdAt && { createdFrom: createdAt.from }),
    ...(createdAt?.to && { createdTo: createdAt.to }),
  };
}

/**
 * Throws BAD_USER_INPUT if a name contains U+0000 or a lone surrogate. PostgreSQL refuses both, so no stored
 * name contains them.
 */
function storable(names: readonly string[]): readonly string[] {
  if (names.every((name) => !name.includes('\0') && name.isWellFormed())) return names;
  throw new AppError('BAD_USER_INPUT', 'filter must not contain U+0000 or lone surrogates.');
}
