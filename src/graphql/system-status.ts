import { Field, Int, ObjectType, Query, Resolver } from 'type-graphql';
import { Computed } from './computed.ts';
import { BigIntScalar, DateTime } from './scalars.ts';

/** What is asked of the system, each only when it is selected. */
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
    'How the system does, for those who run it: the most important figures of `/metrics`, over all tenants. When a backend does not answer, what it knows is UNAVAILABLE, and the whole with it: leave it out to read the rest.',
})
class SystemStatus {
  @Field(() => String, { description: 'Of Unseen, as in its package.' })
  version!: string;

  @Field(() => String, { description: 'Where everything is kept, e.g. `PostgreSQL 18.4 (embedded)`.' })
  @Computed()
  store!: string;

  @Field(() => String, { description: 'Where events wait to be applied: `Kafka` or `PostgreSQL`.' })
  log!: string;

  @Field(() => String, { description: 'How pushes travel: `Redis`, `Redis Cluster` or `in process`.' })
  pubSub!: string;

  @Field(() => BigIntScalar, {
    description: 'Records of the log that no worker has passed yet. Stays near 0 while workers keep up.',
  })
  @Computed()
  consumerLag!: bigint;

  @Field(() => Int, { description: 'Records for other systems that wait to be sent to the log.' })
  @Computed()
  outboxDepth!: number;

  @Field(() => Int, { description: 'Events that could not be applied, of all tenants.' })
  @Computed()
  deadLetterCount!: number;

  @Field(() => Int, { description: 'Open WebSockets of the process that answers.' })
  @Computed()
  openSockets!: number;

  @Field(() => Int, {
    description: 'Users with a subscription to a badge or a notification stream at the process that answers.',
  })
  @Computed()
  watchedUsers!: number;

  @Field(() => Int, {
    description:
      'Of about 100 inboxes drawn at random, those whose badge differs from a recount at this moment; must stay 0. `unseen_badge_drift` of `/metrics` counts those that a process has repaired since its start.',
  })
  @Computed()
  badgeDrift!: number;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Every kind of old data was removed at this time or later. Null if one never was. More than a day ago means that a sweep fails: `unseen sweep` says why, and `unseen_sweep_last_success_timestamp_seconds` of `/metrics` has the time of each kind.',
  })
  @Computed()
  sweptAt!: Date | null;
}

@Resolver()
export class SystemStatusResolver {
  constructor(private readonly deps: { readonly figures: SystemFigures }) {}

  @Query(() => SystemStatus, {
    description: 'The version, the backends and the figures to watch. Admin tokens only.',
  })
  systemStatus(): SystemFigures {
    return this.deps.figures;
  }
}
