import { Field, ID, InputType } from 'type-graphql';
import { AppError } from '../domain/error.ts';
import type { NotificationFilter } from '../domain/notification.ts';
import { DateTimeRangeInput } from './date-time-range.ts';

/** Categories in one filter. */
const maxCategories = 50;

@InputType('NotificationFilter', {
  description: 'Selects notifications of an inbox that match every field.',
})
export class NotificationFilterInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'Only seen or only unseen notifications. Defaults to both.',
  })
  seen?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Only read or only unread notifications. Defaults to both.',
  })
  read?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'Only archived notifications, or only others. Null means both.',
  })
  archived?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'Only snoozed notifications, or only others. Null means both.',
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

/** What is listed when no filter is given: neither archived nor snoozed ones. */
export const listed: NotificationFilter = { archived: false, snoozed: false };

/** Rejects with BAD_USER_INPUT when it can name nothing. */
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

/** Nothing is stored under a name with U+0000 or a lone surrogate, and the database takes neither. */
function storable(names: readonly string[]): readonly string[] {
  if (names.every((name) => !name.includes('\0') && name.isWellFormed())) return names;
  throw new AppError('BAD_USER_INPUT', 'filter must not contain U+0000 or lone surrogates.');
}
