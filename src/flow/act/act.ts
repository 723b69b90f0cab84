import type { Badge } from '../../domain/badge.ts';
import {
  addCounts,
  badgeOf,
  countsAfter,
  type Inbox,
  type InboxChange,
  maxIdsOfChange,
  noteChange,
  open,
  watermarkAfterOpening,
  withCounts,
} from '../../domain/inbox.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import { dueAtOf, type Notification } from '../../domain/notification.ts';
import { type Problem, userNotFound } from '../../domain/problem.ts';
import { cancel, notThere, reschedule, snooze } from '../../domain/timing.ts';
import type { UserKey, UserPatch } from '../../domain/user.ts';
import type { BadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { DeadLetterFilter } from '../../ports/store/dead-letters.ts';
import type { InboxTransaction } from '../../ports/store/inboxes.ts';
import type { Marking, NotificationTransaction } from '../../ports/store/notifications.ts';
import type { Store } from '../../ports/store/store.ts';
import { announceDue } from '../deliver/due.ts';
import { publishBadges } from '../deliver/publish.ts';
import { createQuotas, type Quotas, unlimited } from '../record/quota.ts';
import { retryDeadLetters } from './dead-letters.ts';
import { eraseUser } from './erase.ts';
import { createLimitCommands } from './limit-commands.ts';
import { type PreferencesChange, type Preferred, updatePreferences } from './preferences.ts';

interface Named {
  readonly tenantId: string;
  readonly id: string;
}

/** Which notifications to mark; without `upToSeq` all that have arrived when marking begins. */
export interface MarkRequest extends Pick<Marking, 'action' | 'which'> {
  readonly upToSeq?: bigint | undefined;
}

interface MarkedStep {
  readonly inbox: Inbox;
  readonly count: number;
  readonly unknownIds: readonly string[];
  /** The stretch that is left; undefined after the last step. */
  readonly next: Pick<Marking, 'afterSeq' | 'upToSeq'> | undefined;
}

/** Marks one step of the notifications after a place. Resolves to undefined when there is no such user. */
async function markStep(
  transaction: InboxTransaction & NotificationTransaction,
  key: UserKey,
  { action, which, afterSeq, upToSeq }: MarkRequest & Pick<Marking, 'afterSeq'>,
  now: Date,
): Promise<MarkedStep | undefined> {
  const [locked] = await transaction.lockInboxes([key], now);
  if (!locked) return undefined;
  const { inbox } = locked;
  const end = upToSeq === undefined || upToSeq > inbox.lastSeq ? inbox.lastSeq : upToSeq;
  const ids = 'ids' in which ? which.ids : [];
  const arrivedIds = ids.length === 0 ? [] : await transaction.arrivedIds(key, ids);
  const endOfStep = 'ids' in which ? undefined : await transaction.endOfStep(key, afterSeq);
  const isLast = endOfStep === undefined || endOfStep >= end;
  const stretch = { afterSeq, upToSeq: isLast ? end : endOfStep };
  const marked = await transaction.markNotifications(inbox, { action, which, ...stretch }, now);
  const count = marked.ids.length;
  const step = {
    count,
    unknownIds: ids.filter((id) => !arrivedIds.includes(id)),
    next: isLast ? undefined : { afterSeq: endOfStep, upToSeq: end },
  };
  if (count === 0) return { ...step, inbox };
  const lastSeq = action === 'UNSNOOZE' ? inbox.lastSeq + BigInt(count) : inbox.lastSeq;
  const noted = noteChange(
    withCounts({ ...inbox, lastSeq }, addCounts(inbox, marked.delta), now),
    // A change to more notifications does not name them.
    { action, ids: count > maxIdsOfChange ? [] : marked.ids },
    now,
  );
  await Promise.all([transaction.saveInboxes([noted.inbox]), transaction.addChanges([noted.change])]);
  return { ...step, inbox: noted.inbox };
}

type Changed = { readonly notification: Notification; readonly badge: Badge } | { readonly problem: Problem };

/**
 * What a user or an admin does and expects to see in the reply: a transaction, then publish. Rejects with UNAVAILABLE:
 * unknown whether done; doing it again is harmless.
 */
export function createAct(
  {
    store,
    pubSub,
    cache,
    clock,
    logger,
  }: {
    readonly store: Store;
    readonly pubSub: PubSub;
    readonly cache?: BadgeCache;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  {
    lockedCategories = [],
    announcesDeliveries = false,
    limitThresholds: thresholds,
    quotas = createQuotas({ clock }, unlimited),
  }: {
    readonly lockedCategories?: readonly string[];
    /** Whether other systems hear of each delivered notification. */
    readonly announcesDeliveries?: boolean;
    readonly limitThresholds?: LimitThresholds;
    /** Default: any number. */
    readonly quotas?: Pick<Quotas, 'limitEvents' | 'users'>;
  } = {},
) {
  /** Changes one notification under the lock of its inbox. */
  async function change(
    { tenantId, id }: Named,
    mayAct: (userId: string) => boolean,
    decide: (row: Notification, now: Date) => ReturnType<typeof snooze>,
    action?: InboxChange['action'],
  ): Promise<Changed> {
    const now = clock.now();
    const found = await store.notification(tenantId, id);
    if (!found || !mayAct(found.userId)) return { problem: { ...notThere, path: ['input', 'id'] } };
    const changed = await store.transaction(async (transaction) => {
      const [locked] = await transaction.lockInboxes([{ tenantId, userId: found.userId }], now);
      const row = await transaction.notification(tenantId, id);
      if (!locked || !row) return { problem: notThere };
      const after = decide(row, now);
      if ('problem' in after) return after;
      await transaction.saveNotifications([after]);
      const counted = withCounts(locked.inbox, countsAfter(locked.inbox, row, after), now);
      const noted = action && noteChange(counted, { action, ids: [id] }, now);
      const inbox = noted?.inbox ?? counted;
      await Promise.all([
        transaction.saveInboxes([inbox]),
        transaction.addChanges(noted ? [noted.change] : []),
      ]);
      return { notification: after, inbox };
    }, found);
    if ('problem' in changed) return { problem: { path: ['input', 'id'], ...changed.problem } };
    const badge = badgeOf(changed.inbox);
    if (action) await publishBadges({ pubSub, cache, logger }, [badge], 'SNOOZED');
    await announceDue(pubSub, [dueAtOf(changed.notification)]);
    return { notification: changed.notification, badge };
  }

  return {
    /**
     * Opens the inbox: everything up to `upToSeq` was shown, by default everything that has arrived. What arrives after
     * that stays unseen; when it is opened up to an earlier place, what follows is counted again.
     */
    async openInbox(
      key: UserKey,
      upToSeq: bigint | undefined,
    ): Promise<{ readonly badge: Badge } | { readonly problem: Problem }> {
      const now = clock.now();
      const opened = await store.transaction(async (transaction) => {
        const [locked] = await transaction.lockInboxes([key], now);
        if (!locked) return undefined;
        const { inbox } = locked;
        const openedSeq = watermarkAfterOpening(inbox, upToSeq);
        const unseen = openedSeq === inbox.lastSeq ? 0 : await transaction.countUnseen(key, openedSeq);
        const opened = open(inbox, openedSeq, unseen, now);
        if (openedSeq === inbox.openedSeq) {
          await transaction.saveInboxes([opened]);
          return opened;
        }
        const stretch = { from: inbox.openedSeq, to: openedSeq };
        const noted = noteChange(opened, { action: 'SEEN', ids: [], stretch }, now);
        await Promise.all([
          transaction.saveInboxes([noted.inbox]),
          transaction.addChanges([noted.change]),
          transaction.addOpening(key, openedSeq, now),
        ]);
        return noted.inbox;
      }, key);
      if (!opened) return { problem: userNotFound(['input', 'userId']) };
      const badge = badgeOf(opened);
      await publishBadges({ pubSub, cache, logger }, [badge], 'OPENED');
      return { badge };
    },

    /**
     * Marks notifications of an inbox. In a large inbox it takes steps of some thousand places, each of which leaves a correct
     * badge. The same call again changes nothing, or finishes what was cut off. `unknownIds` name nothing that arrived there.
     */
    async markNotifications(
      key: UserKey,
      request: MarkRequest,
    ): Promise<
      | { readonly badge: Badge; readonly affectedCount: number; readonly unknownIds: readonly string[] }
      | { readonly problem: Problem }
    > {
      let affectedCount = 0;
      let rest: MarkRequest & Pick<Marking, 'afterSeq'> = { ...request, afterSeq: 0n };
      for (;;) {
        const now = clock.now();
        const step = await store.transaction((transaction) => markStep(transaction, key, rest, now), key);
        if (!step) return { problem: userNotFound(['input', 'userId']) };
        const badge = badgeOf(step.inbox);
        if (step.count > 0) await publishBadges({ pubSub, cache, logger }, [badge], 'MARKED');
        affectedCount += step.count;
        if (!step.next) return { badge, affectedCount, unknownIds: step.unknownIds };
        rest = { ...rest, ...step.next };
      }
    },

    /** Puts a notification off: it counts as nothing and arrives again then. `mayAct` says for whose it may be asked. */
    snooze: (notification: Named, until: Date, mayAct: (userId: string) => boolean): Promise<Changed> =>
      change(notification, mayAct, (row, now) => snooze(row, until, now), 'SNOOZE'),

    /** Takes a notification back that is still to come. */
    cancel: (notification: Named): Promise<Changed> => change(notification, () => true, cancel),

    /** Moves a notification that is still to come. */
    reschedule: (notification: Named, scheduledFor: Date): Promise<Changed> =>
      change(
        notification,
        () => true,
        (row, now) => reschedule(row, scheduledFor, now),
      ),

    retryDeadLetters: (
      ids: readonly string[],
      filter: Pick<DeadLetterFilter, 'tenantIds'>,
    ): Promise<readonly string[]> => retryDeadLetters({ store, clock }, ids, filter),

    /** Creates or changes users of one tenant, all or none; per patch whether it created. */
    async upsertUsers(
      patches: readonly (UserKey & { readonly patch: UserPatch })[],
    ): Promise<{ readonly created: readonly boolean[]; readonly problems: readonly Problem[] }> {
      const now = clock.now();
      const [first] = patches;
      const exceeded = first && quotas.users.take({ tenantId: first.tenantId }, patches.length, ['input']);
      if (exceeded) return { created: [], problems: [exceeded] };
      const created = await store.transaction((transaction) => transaction.patchUsers(patches, now), first);
      // What waits for them is due.
      if (created.includes(true)) await announceDue(pubSub, [now]);
      return { created, problems: [] };
    },

    updatePreferences: (
      user: UserKey,
      change: PreferencesChange,
    ): Promise<Preferred | { readonly problem: Problem }> =>
      updatePreferences({ store, clock }, user, change),

    ...createLimitCommands(
      { store, pubSub, cache, clock, logger },
      { lockedCategories, announcesDeliveries, thresholds, quotas },
    ),

    eraseUser: (user: UserKey): Promise<Problem | undefined> =>
      eraseUser({ store, pubSub, cache, clock, logger }, user),
  };
}

export type Act = ReturnType<typeof createAct>;
