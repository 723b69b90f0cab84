import { Field, Int, ObjectType, Query, Resolver } from 'type-graphql';
import { Computed } from './computed.ts';
import { BigIntScalar, DateTime } from './scalars.ts';

/** Functions that read the figures of the system. A function runs only if its field is selected. */
export interface SystemFigures {
  readonly version: string;
  readonly store: () => Promise<string>;
  readonly log: string;
  readonly pubSub: string;
  readonly consumerLag: () => Promise<bigint>;
  readonly outboxDepth: () => Promise<number>;
  readonly deadLetterCount: () => Promise<number>;
  readonly openSockets: () => number;
  readonly watchedUsers: () => number;
  readonly badgeDrift: () => Promise<number>;
  readonly sweptAt: () => Promise<Date | null>;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'The most important figures of `/metrics`, over all tenants, for operators. If a backend does not answer, a query with fields of this backend fails with UNAVAILABLE. To read the other fields, leave out the fields of this backend.',
})
class SystemStatus {
  @Field(() => String, { description: 'The version of Unseen.' })
  version!: string;

  @Field(() => String, { description: 'The store, e.g. `PostgreSQL 18.4 (embedded)`.' })
  @Computed()
  store!: string;

  @Field(() => String, { description: 'The log: `Kafka` or `PostgreSQL`.' })
  log!: string;

  @Field(() => String, { description: 'The pub/sub: `Redis`, `Redis Cluster` or `in process`.' })
  pubSub!: string;

  @Field(() => BigIntScalar, {
    description:
      'The number of records in the log that the workers have not processed yet. The number stays near 0 while the workers keep up.',
  })
  @Computed()
  consumerLag!: bigint;

  @Field(() => Int, { description: 'The number of records that wait in the outbox.' })
  @Computed()
  outboxDepth!: number;

  @Field(() => Int, { description: 'The number of dead letters of all tenants.' })
  @Computed()
  deadLetterCount!: number;

  @Field(() => Int, { description: 'The number of open WebSockets of the answering process.' })
  @Computed()
  openSockets!: number;

  @Field(() => Int, {
    description:
      'The number of users with a subscription to a badge or a notification stream at the answering process.',
  })
  @Computed()
  watchedUsers!: number;

  @Field(() => Int, {
    description:
      'The number of wrong badges in a random sample of about 100 inboxes. The number should be 0. `unseen_badge_drift` of `/metrics` counts the badges that a process has repaired since its start.',
  })
  @Computed()
  badgeDrift!: number;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'The time since when every kind of old data has been swept successfully. Null if a kind was never swept. If the time is more than a day ago, sweeps fail. Run `unseen sweep` to see the reason. `unseen_sweep_last_success_timestamp_seconds` of `/metrics` has the time of each kind.',
  })
  @Computed()
  sweptAt!: Date | null;
}

@Resolver()
export class SystemStatusResolver {
  constructor(private readonly deps: { readonly figures: SystemFigures }) {}

  @Query(() => SystemStatus, {
    description: 'The version, the backends and the most important figures. Requires an admin token.',
  })
  systemStatus(): SystemFigures {
    return this.deps.figures;
  }
}
