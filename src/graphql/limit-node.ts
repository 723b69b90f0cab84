import type { Decimal } from '../domain/decimal.ts';
import {
  type LimitKey,
  type LimitPeriod,
  type LimitType,
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

/**
 * A limit at the time `now`. A field is computed only if it is selected, because a user may have hundreds of
 * limits. The progress and the next reset are computed at most once per limit.
 */
export class LimitNode implements LimitKey {
  readonly __typename = 'UserLimit';
  readonly tenantId: string;
  readonly userId: string;
  readonly userLimitId: string;
  readonly brandId: string;
  readonly type: LimitType;
  readonly period: LimitPeriod;
  readonly currencyCode: string | null;
  readonly activeFrom: Date | null;
  readonly activeUntil: Date | null;
  private used: Decimal | undefined;
  private reset: Date | null | undefined;

  constructor(
    private readonly limit: ShownLimit,
    private readonly now: Date,
  ) {
    this.tenantId = limit.tenantId;
    this.userId = limit.userId;
    this.userLimitId = limit.userLimitId;
    this.brandId = limit.brandId;
    this.type = limit.type;
    this.period = limit.period;
    this.currencyCode = limit.currencyCode;
    this.activeFrom = limit.activeFrom;
    this.activeUntil = limit.activeUntil;
  }

  get id() {
    return nodeId('UserLimit', this.userId, this.userLimitId);
  }
  get status() {
    return statusAt(this.limit, this.now);
  }
  get unit() {
    return this.limit.type === 'SESSION' ? LimitUnit.SECONDS : LimitUnit.MONEY;
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
