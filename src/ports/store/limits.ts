import type { Decimal } from '../../domain/decimal.ts';
import type { LimitFilter, LimitKey, LimitRecord, ShownLimit, UserLimit } from '../../domain/limit.ts';
import type { User, UserKey } from '../../domain/user.ts';

/** Reads the limits of users and their history. */
export interface LimitStore {
  /** Returns the users that exist, sorted, with their limits. */
  limits(users: readonly UserKey[], filter?: LimitFilter): Promise<readonly LimitedUser[]>;
  /**
   * Returns the users of a tenant who have a limit with this id, at most two. More than one user has the
   * limit if producers used the id for several users.
   */
  limitOwners(tenantId: string, userLimitId: string): Promise<readonly UserKey[]>;
  /**
   * Returns a page of the history of each limit, latest entry first, ties by event. A page contains the
   * entries before `before`.
   */
  limitHistories(pages: readonly LimitHistoryPage[]): Promise<readonly (readonly LimitHistoryEntry[])[]>;
  /**
   * Returns the keys of limits of all tenants, sorted, after the key `after`. Includes limits that have
   * stored events but no state.
   */
  limitKeys(page: { readonly first: number; readonly after?: LimitKey }): Promise<readonly LimitKey[]>;
}

export interface LimitTransaction {
  /**
   * Returns the users who have a limit with this id, at most two. Locks the id until the end of the
   * transaction.
   */
  lockLimitId(tenantId: string, userLimitId: string): Promise<readonly UserKey[]>;
  /**
   * Returns the limits that exist, in no order. A transaction that writes a limit must have locked its user.
   */
  limits(keys: readonly LimitKey[]): Promise<readonly UserLimit[]>;
  /** Creates or overwrites limits. */
  saveLimits(limits: readonly UserLimit[]): Promise<void>;
  /**
   * Returns stored events of the limits up to `upTo`, sorted by limit and by place in the limit. If `after`
   * names an event, the page begins after this event. Otherwise, the page begins with the limit `after`.
   */
  keptLimitEvents(
    upTo: LimitKey,
    page: { readonly first: number; readonly after: LimitKey & Partial<KeptLimitEvent> },
  ): Promise<readonly KeptLimitEvent[]>;
  /** Stores events of limits. An event that is already stored is not changed. */
  addLimitEvents(events: readonly LimitRecord[]): Promise<void>;
}

/** A user with the requested limits, sorted by id. At most 500 limits. */
export interface LimitedUser {
  readonly user: User;
  readonly limits: readonly ShownLimit[];
}

/** A page of the history of a limit. */
export interface LimitHistoryPage extends LimitKey {
  readonly first: number;
  readonly before?: Pick<LimitRecord, 'sequence' | 'source' | 'eventId'> | undefined;
}

/** An event of a limit, with the facts that are needed to compute the progress after the event. */
export interface LimitHistoryEntry extends LimitRecord {
  /** The last event that states the progress, up to and including this event. Null if there is none. */
  readonly said: (Pick<LimitRecord, 'type' | 'raw'> & { readonly progressAfter: Decimal }) | null;
  /**
   * The definition that was in force when the progress was stated, as the producer sent it. Without a
   * definition, the last reset before that event.
   */
  readonly definedBy: string | null;
}

/** An event of a limit as it was sent, and its key. */
export type KeptLimitEvent = Pick<LimitRecord, keyof LimitKey | 'sequence' | 'source' | 'eventId' | 'raw'>;
