import { type LimitType, limitValueOf, progressOf, type UserLimit } from './limit.ts';
import { type Notification, undelivered } from './notification.ts';

/** The category of the notifications about how much of a limit is used. */
export const limitsCategory = 'limits';

const names: Readonly<Record<LimitType, string>> = {
  BALANCE: 'balance limit',
  BET: 'bet limit',
  DEPOSIT: 'deposit limit',
  LOSS: 'loss limit',
  SESSION: 'session time',
  UNKNOWN: 'limit',
};

/**
 * Creates the notification that says how much of a limit is used. A visit with the id of the limit as its
 * subject marks the notification as read.
 */
export function limitNotification(
  limit: UserLimit,
  { id, percent, now }: { readonly id: string; readonly percent: number; readonly now: Date },
): Notification {
  const { tenantId, userId, userLimitId, type, currencyCode } = limit;
  const [progress, value] = [progressOf(limit), limitValueOf(limit)];
  const unit = type === 'SESSION' ? 'seconds' : currencyCode;
  const name = names[type];
  return undelivered({
    tenantId,
    userId,
    id,
    category: limitsCategory,
    severity: percent >= 100 ? 'HIGH' : 'NORMAL',
    title: percent >= 100 ? `Your ${name} is used up` : `${percent} % of your ${name} is used`,
    body: [progress, 'of', value, ...(unit === null ? [] : [unit])].join(' '),
    data: { userLimitId, type, percent, progress, value, currencyCode },
    actionUrl: null,
    subjectId: userLimitId,
    groupKey: null,
    expiresAt: null,
    createdAt: now,
    scheduledFor: null,
  });
}
