import type { LimitThresholds } from '../../domain/limit-use.ts';
import type { Problem } from '../../domain/problem.ts';
import { cancel, reschedule, snooze } from '../../domain/timing.ts';
import type { UserKey, UserPatch } from '../../domain/user.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { DeadLetterFilter } from '../../ports/store/dead-letters.ts';
import type { Store } from '../../ports/store/store.ts';
import { announceDue } from '../deliver/due.ts';
import { createQuotas, type Quotas, unlimited } from '../record/quota.ts';
import { type Changed, changeNotification, type Named } from './change-notification.ts';
import { retryDeadLetters } from './dead-letters.ts';
import { eraseUser } from './erase.ts';
import { createLimitCommands } from './limit-commands.ts';
import { type MarkRequest, markNotifications } from './mark-notifications.ts';
import { openInbox } from './open-inbox.ts';
import { type PreferencesChange, type Preferred, updatePreferences } from './preferences.ts';

interface ActDeps {
  readonly store: Store;
  readonly pubSub: PubSub;
  readonly cache?: BadgeCache;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface ActOptions {
  readonly lockedCategories?: readonly string[];
  /** Whether Unseen announces each delivered notification to other systems. Defaults to false. */
  readonly announcesDeliveries?: boolean;
  readonly limitThresholds?: LimitThresholds;
  /** Defaults to no quotas. */
  readonly quotas?: Pick<Quotas, 'limitEvents' | 'users'>;
}

/**
 * Creates the actions of users and admins whose reply contains the result. Each action commits a transaction
 * and then publishes. An action rejects with UNAVAILABLE if it is unknown whether the transaction was
 * committed. Repeating an action is harmless.
 */
export function createAct(
  deps: ActDeps,
  {
    lockedCategories = [],
    announcesDeliveries = false,
    limitThresholds: thresholds,
    quotas = createQuotas(deps, unlimited),
  }: ActOptions = {},
) {
  return {
    openInbox: (key: UserKey, upToSeq: bigint | undefined): ReturnType<typeof openInbox> =>
      openInbox(deps, key, upToSeq),

    markNotifications: (key: UserKey, request: MarkRequest): ReturnType<typeof markNotifications> =>
      markNotifications(deps, key, request),

    /**
     * Snoozes a notification. The notification does not count until the time `until`, at which it arrives
     * again. `mayAct` returns whether the caller may act for a user.
     */
    snooze: (notification: Named, until: Date, mayAct: (userId: string) => boolean): Promise<Changed> =>
      changeNotification(deps, notification, {
        mayAct,
        decide: (row, now) => snooze(row, until, now),
        action: 'SNOOZE',
      }),

    /** Cancels a scheduled notification. */
    cancel: (notification: Named): Promise<Changed> =>
      changeNotification(deps, notification, { mayAct: () => true, decide: cancel }),

    /** Reschedules a scheduled notification. */
    reschedule: (notification: Named, scheduledFor: Date): Promise<Changed> =>
      changeNotification(deps, notification, {
        mayAct: () => true,
        decide: (row, now) => reschedule(row, scheduledFor, now),
      }),

    retryDeadLetters: (
      ids: readonly string[],
      filter: Pick<DeadLetterFilter, 'tenantIds'>,
    ): Promise<readonly string[]> => retryDeadLetters(deps, ids, filter),

    upsertUsers: (patches: readonly UserPatchOf[]): Promise<Upserted> => upsertUsers(deps, quotas, patches),

    updatePreferences: (
      user: UserKey,
      change: PreferencesChange,
    ): Promise<Preferred | { readonly problem: Problem }> => updatePreferences(deps, user, change),

    ...createLimitCommands(deps, { lockedCategories, announcesDeliveries, thresholds, quotas }),

    eraseUser: (user: UserKey): Promise<Problem | undefined> => eraseUser(deps, user),
  };
}

type UserPatchOf = UserKey & { readonly patch: UserPatch };

/** Whether each patch created its user. If there are problems, nothing was changed and `created` is empty. */
interface Upserted {
  readonly created: readonly boolean[];
  readonly problems: readonly Problem[];
}

/**
 * Creates or changes users. All users must be of the same tenant. If there is a problem, no user is changed.
 */
async function upsertUsers(
  { store, clock, pubSub }: ActDeps,
  quotas: Pick<Quotas, 'users'>,
  patches: readonly UserPatchOf[],
): Promise<Upserted> {
  const now = clock.now();
  const [first] = patches;
  const exceeded = first && quotas.users.take({ tenantId: first.tenantId }, patches.length, ['input']);
  if (exceeded) return { created: [], problems: [exceeded] };
  const created = await store.transaction((transaction) => transaction.patchUsers(patches, now), first);
  // The creation of a user makes the records that wait for this user due.
  if (created.includes(true)) await announceDue(pubSub, [now]);
  return { created, problems: [] };
}

export type Act = ReturnType<typeof createAct>;
