import { Field, InputType } from 'type-graphql';
import { DateTime } from './scalars.ts';

@InputType({ description: 'A stretch of time, `[from, to)`.' })
export class DateTimeRangeInput {
  @Field(() => DateTime, { description: 'Included.' })
  from!: Date;

  @Field(() => DateTime, { nullable: true, description: 'Not included. Default: no end.' })
  to?: Date | null;
}
