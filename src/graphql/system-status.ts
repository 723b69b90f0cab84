import { Field, Int, ObjectType, Query, Resolver } from 'type-graphql';
import { Computed } from './computed.ts';
import { BigIntScalar, DateTime } from './scalars.ts';

/** The figures of the system. A function runs only if its field is selected. */
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
    'The state of the system for operators: the most important figures of `/metrics`, over all tenants. If a backend does not answer, its fields fail with UNAVAILABLE and so does the query. Leave these fields out to read the rest.',
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
      'The number of records in the log that no worker has passed. It stays near 0 while the workers keep up.',
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
      'How many of about 100 random inboxes have a badge that differs from a recount. It should be 0. `unseen_badge_drift` of `/metrics` counts the badges that a process has repaired since its start.',
  })
  @Computed()
  badgeDrift!: number;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Every kind of old data was swept at this time or later. Null if one kind was never swept. If it is more than a day ago, a sweep fails. `unseen sweep` says why, and `unseen_sweep_last_success_timestamp_seconds` of `/metrics` has the time of each kind.',
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
