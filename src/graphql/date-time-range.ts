import { Field, InputType } from 'type-graphql';
import { DateTime } from './scalars.ts';

@InputType({ description: 'A time range that includes `from` and excludes `to`.' })
export class DateTimeRangeInput {
  @Field(() => DateTime, { description: 'The inclusive start.' })
  from!: Date;

  @Field(() => DateTime, { nullable: true, description: 'The exclusive end. Defaults to no end.' })
  to?: Date | null;
}
