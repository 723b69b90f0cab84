import type { Decimal } from '../../domain/decimal.ts';
import type { LimitFilter, LimitKey, LimitRecord, ShownLimit, UserLimit } from '../../domain/limit.ts';
import type { User, UserKey } from '../../domain/user.ts';

/** Reads the limits of users and their history. */
export interface LimitStore {
  /** The users that exist, sorted, with their limits. */
  limits(users: readonly UserKey[], filter?: LimitFilter): Promise<readonly LimitedUser[]>;
  /** The users of a tenant with a limit of this id: none, one, or two of them if producers gave it to several users. */
  limitOwners(tenantId: string, userLimitId: string): Promise<readonly UserKey[]>;
  /** A page of the history of each limit, latest first, ties by event: the entries before the place `before`. */
  limitHistories(pages: readonly LimitHistoryPage[]): Promise<readonly (readonly LimitHistoryEntry[])[]>;
  /** The limits of all tenants that exist or have events, after the key `after`, sorted. */
  limitKeys(page: { readonly first: number; readonly after?: LimitKey }): Promise<readonly LimitKey[]>;
}

export interface LimitTransaction {
  /** The users with a limit of this id, at most two. The id stays locked until the end of the transaction. */
  lockLimitId(tenantId: string, userLimitId: string): Promise<readonly UserKey[]>;
  /** The limits that exist, in no order. A transaction that writes a limit has locked its user. */
  limits(keys: readonly LimitKey[]): Promise<readonly UserLimit[]>;
  /** Creates or overwrites limits. */
  saveLimits(limits: readonly UserLimit[]): Promise<void>;
  /** Events of the limits up to `upTo`, sorted by limit and place: from the limit `after` on, or after that event. */
  keptLimitEvents(
    upTo: LimitKey,
    page: { readonly first: number; readonly after: LimitKey & Partial<KeptLimitEvent> },
  ): Promise<readonly KeptLimitEvent[]>;
  /** Keeps events of limits. An event that is kept already is not changed. */
  addLimitEvents(events: readonly LimitRecord[]): Promise<void>;
}

/** A user with the limits asked for, by id and at most 500. */
export interface LimitedUser {
  readonly user: User;
  readonly limits: readonly ShownLimit[];
}

/** A page of the history of a limit. */
export interface LimitHistoryPage extends LimitKey {
  readonly first: number;
  readonly before?: Pick<LimitRecord, 'sequence' | 'source' | 'eventId'> | undefined;
}

/** An event of a limit, with the facts needed to compute the progress after it. */
export interface LimitHistoryEntry extends LimitRecord {
  /** The event that states the progress: this one, or the last before it that does. null when none does. */
  readonly said: (Pick<LimitRecord, 'type' | 'raw'> & { readonly progressAfter: Decimal }) | null;
  /**
   * The definition in force when the progress was stated, as it was sent. Without any, the last reset before that event.
   */
  readonly definedBy: string | null;
}

/** An event of a limit as it was sent, and its key. */
export type KeptLimitEvent = Pick<LimitRecord, keyof LimitKey | 'sequence' | 'source' | 'eventId' | 'raw'>;
