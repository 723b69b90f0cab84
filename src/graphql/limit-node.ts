import type { Decimal } from '../domain/decimal.ts';
import {
  type LimitKey,
  limitValueOf,
  previousValueOf,
  progressOf,
  type ShownLimit,
  sequenceOf,
  statusAt,
} from '../domain/limit.ts';
import {
  isResetOverdue,
  nextResetOf,
  percentUsedOf,
  projectedExhaustionOf,
  remainingOf,
} from '../domain/limit-use.ts';
import { LimitUnit } from './limit-enum.ts';
import { nodeId } from './node-id.ts';

/** A limit as it is at a moment. What has to be computed is, when it is asked for, and once: a user may have hundreds. */
export class LimitNode implements LimitKey {
  private used: Decimal | undefined;
  private reset: Date | null | undefined;

  constructor(
    private readonly limit: ShownLimit,
    private readonly now: Date,
  ) {}

  get __typename() {
    return 'UserLimit' as const;
  }
  get id() {
    return nodeId('UserLimit', this.userId, this.userLimitId);
  }
  get tenantId() {
    return this.limit.tenantId;
  }
  get userId() {
    return this.limit.userId;
  }
  get userLimitId() {
    return this.limit.userLimitId;
  }
  get brandId() {
    return this.limit.brandId;
  }
  get type() {
    return this.limit.type;
  }
  get period() {
    return this.limit.period;
  }
  get status() {
    return statusAt(this.limit, this.now);
  }
  get unit() {
    return this.limit.type === 'SESSION' ? LimitUnit.SECONDS : LimitUnit.MONEY;
  }
  get currencyCode() {
    return this.limit.currencyCode;
  }
  get value() {
    return limitValueOf(this.limit);
  }
  get previousLimitValue() {
    return previousValueOf(this.limit);
  }
  get progress() {
    this.used ??= progressOf(this.limit);
    return this.used;
  }
  get remaining() {
    return remainingOf(this.limit, this.progress);
  }
  get percentUsed() {
    return percentUsedOf(this.limit, this.progress);
  }
  get activeFrom() {
    return this.limit.activeFrom;
  }
  get activeUntil() {
    return this.limit.activeUntil;
  }
  get nextResetAt() {
    if (this.reset === undefined) this.reset = nextResetOf(this.limit, this.limit.timeZone);
    return this.reset;
  }
  get resetOverdue() {
    return isResetOverdue(this.limit, this.nextResetAt, this.now);
  }
  get projectedExhaustionAt() {
    return projectedExhaustionOf(this.limit, this.nextResetAt, this.now);
  }
  get partial() {
    return this.limit.definition === null;
  }
  get sequenceNumber() {
    return sequenceOf(this.limit);
  }
}
