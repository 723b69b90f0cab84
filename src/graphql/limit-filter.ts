import type { GraphQLResolveInfo } from 'graphql';
import { Field, InputType } from 'type-graphql';
import { AppError } from '../domain/error.ts';
import type { LimitFilter } from '../domain/limit.ts';
import { name } from '../events/text.ts';
import { lookaheadArguments } from './engine/lookahead.ts';
import { LimitPeriod, LimitStatus, LimitType } from './limit-enum.ts';

@InputType({ description: 'Selects limits of a user that match every field.' })
export class UserLimitFilter {
  @Field(() => String, {
    nullable: true,
    description: 'Only limits of this brand, 1 to 128 characters. Defaults to all.',
  })
  brandId?: string | null;

  @Field(() => [LimitType], {
    nullable: true,
    description: 'Only limits of these types, 1 to 20. Defaults to all.',
  })
  types?: readonly LimitType[] | null;

  @Field(() => [LimitPeriod], {
    nullable: true,
    description: 'Only limits with these periods, 1 to 20. Defaults to all.',
  })
  periods?: readonly LimitPeriod[] | null;

  @Field(() => [LimitStatus], {
    nullable: true,
    description: 'Only limits that have one of these statuses now, 1 to 20. Defaults to all.',
  })
  statuses?: readonly LimitStatus[] | null;
}

/**
 * Converts the input to the filter of the store. Throws BAD_USER_INPUT if the filter cannot match any limit.
 */
export function filterOf(input: UserLimitFilter | null | undefined, now: Date): LimitFilter {
  const { brandId, types, periods, statuses } = input ?? {};
  if (typeof brandId === 'string' && !name.safeParse(brandId).success) {
    throw new AppError(
      'BAD_USER_INPUT',
      'filter.brandId must have 1 to 128 characters and no control characters.',
    );
  }
  for (const [field, values] of Object.entries({ types, periods, statuses })) {
    if (values && (values.length === 0 || values.length > 20))
      throw new AppError('BAD_USER_INPUT', `filter.${field} must have 1 to 20 entries.`);
  }
  return {
    ...(typeof brandId === 'string' && { brandId }),
    ...(types && { types }),
    ...(periods && { periods }),
    ...(statuses && { statuses: { any: statuses, at: now } }),
  };
}

/**
 * Returns the filter of the field `limits` of the user that is being resolved. Returns undefined if `limits`
 * is not selected, or if its filter is invalid. In the second case the resolver of `limits` reports the
 * error.
 */
export function lookaheadFilter(info: GraphQLResolveInfo, now: Date): LimitFilter | undefined {
  try {
    const args = lookaheadArguments(info, 'limits') as
      | { readonly filter?: UserLimitFilter | null }
      | undefined;
    return args && filterOf(args.filter, now);
  } catch {
    return undefined;
  }
}
