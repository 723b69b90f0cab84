import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LimitEvent } from '../events/limit.ts';
import { testNow } from '../testing/event.ts';
import { limitEvent } from '../testing/limit.ts';
import { compare, subtract } from './decimal.ts';
import {
  applyLimitEvent,
  disagrees,
  limitDueAt,
  limitValueOf,
  previousValueOf,
  progressOf,
  sequenceOf,
  statusAt,
  type UserLimit,
  unknownLimit,
} from './limit.ts';
import {
  crossedThreshold,
  isResetOverdue,
  type LimitThresholds,
  nextResetOf,
  percentUsedOf,
  projectedExhaustionOf,
  remainingOf,
} from './limit-use.ts';

const key = { tenantId: 'default', userId: 'alice', userLimitId: 'limit-1' };
const dayMs = 86_400_000;
const later = (days: number) => new Date(testNow.getTime() + days * dayMs);
const limitAfter = (...events: readonly LimitEvent[]): UserLimit =>
  events.reduce((limit, event) => applyLimitEvent(limit, event, testNow), unknownLimit(key, testNow));
const bySequence = (a: LimitEvent, b: LimitEvent) => a.data.sequenceNumber - b.data.sequenceNumber;

const created = (sequence: number, payload = {}) => limitEvent('USER_LIMIT_CREATED', sequence, payload);
const used = (sequence: number, previousProgress: string, amount: string, payload = {}) =>
  limitEvent('USER_LIMIT_PROGRESS_CHANGED', sequence, { previousProgress, amount, ...payload });
const reset = (sequence: number, resetAmount: string, unusedAmount: string, payload = {}) =>
  limitEvent('USER_LIMIT_RESET', sequence, { resetAmount, unusedAmount, ...payload });
const byDefault = [80, 100];
const thresholds: LimitThresholds = {
  BALANCE: byDefault,
  BET: byDefault,
  DEPOSIT: byDefault,
  LOSS: byDefault,
  SESSION: [90],
  UNKNOWN: byDefault,
};

/** The fields of a limit that a client sees. */
const seen = (limit: UserLimit) => ({
  value: limitValueOf(limit),
  previous: previousValueOf(limit),
  progress: progressOf(limit),
  remaining: remainingOf(limit),
  sequence: sequenceOf(limit),
  partial: limit.definition === null,
});

const amounts = fc
  .tuple(fc.bigInt(0n, 10n ** 26n), fc.constantFrom('', '.0', '.05', '.0001'))
  .map(([whole, fraction]) => `${whole}${fraction}`);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const moments = maybe(fc.integer({ min: 1, max: 60 }).map((days) => later(days).getTime()));
/** The range is small, so that some events have the same sequence number. */
const sequences = fc.integer({ min: 0, max: 12 });
const events: fc.Arbitrary<LimitEvent> = fc.oneof(
  fc
    .record({
      value: amounts,
      status: fc.constantFrom('ACTIVE', 'FUTURE', 'SOMETHING_NEW'),
      period: fc.constantFrom('MONTH', 'CALENDAR_DAY', 'YEAR'),
      nextResetTime: moments,
      activeUntil: moments,
      progress: maybe(amounts),
      previousLimitValue: maybe(amounts),
    })
    .chain((payload) => sequences.map((sequence) => created(sequence, payload))),
  fc
    .record({
      previousProgress: amounts,
      amount: amounts,
      remainingAmount: maybe(amounts),
      brandId: fc.constantFrom('a', 'b'),
      nextResetTime: moments,
    })
    .chain((payload) =>
      sequences.map((sequence) => limitEvent('USER_LIMIT_PROGRESS_CHANGED', sequence, payload)),
    ),
  fc
    .record({
      resetAmount: amounts,
      unusedAmount: maybe(amounts),
      type: fc.constantFrom('BET', 'X'),
      nextResetTime: moments,
    })
    .chain((payload) => sequences.map((sequence) => limitEvent('USER_LIMIT_RESET', sequence, payload))),
);

describe('a limit', () => {
  it('is the same for any order of its events, even if each event arrives twice', () => {
    fc.assert(
      fc.property(
        fc
          .array(events, { maxLength: 12 })
          .chain((all) =>
            fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length })),
          ),
        ([all, shuffled]) => {
          expect(limitAfter(...shuffled)).toEqual(limitAfter(...all.toSorted(bySequence)));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('computes the progress with the value that was in force, whatever definitions follow', () => {
    const tens = fc.integer({ min: 0, max: 8 }).map((n) => String(10 * n));
    const places = fc.integer({ min: 0, max: 30 });
    const few: fc.Arbitrary<LimitEvent> = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.tuple(places, tens).map(([sequence, value]) => created(sequence, { value })),
      },
      {
        weight: 2,
        arbitrary: fc
          .tuple(places, tens, tens, tens)
          .map(([sequence, before, amount, remainingAmount]) =>
            used(sequence, before, amount, { remainingAmount }),
          ),
      },
    );
    let totals = 0;
    fc.assert(
      fc.property(
        fc
          .uniqueArray(few, { maxLength: 16, selector: ({ data }) => data.sequenceNumber })
          .chain((all) =>
            fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length })),
          ),
        ([all, shuffled]) => {
          const limit = limitAfter(...shuffled);
          expect(limit).toEqual(limitAfter(...all.toSorted(bySequence)));
          const change = all
            .filter((event) => event.type === 'userLimitProgressChanged')
            .toSorted(bySequence)
            .at(-1);
          if (!change) return;
          const { sequenceNumber, previousProgress, amount, remainingAmount } = change.data;
          const value = all
            .filter((event) => event.type === 'userLimitCreated')
            .filter(({ data }) => data.sequenceNumber <= sequenceNumber)
            .toSorted(bySequence)
            .at(-1)?.data.value;
          const isTotal =
            Number(amount) + Number(remainingAmount) === Number(value) && Number(previousProgress) !== 0;
          if (isTotal) totals += 1;
          const used = Number(amount) + (isTotal ? 0 : Number(previousProgress));
          expect(Number(progressOf(limit))).toBe(used);
        },
      ),
      { numRuns: 5_000 },
    );
    expect(totals).toBeGreaterThan(100);
  });

  it('keeps its progress after a new definition, even if the old remaining amount agrees with the new value', () => {
    const change = used(3, '50', '10', { remainingAmount: '40' });
    const values = ['50', '10', '60', '110', '40', '50'];
    const redefined = values.map((value, n) => created(4 + n, { value }));
    for (let n = 0; n <= redefined.length; n += 1) {
      const limit = limitAfter(created(1), change, ...redefined.slice(0, n));
      expect(progressOf(limit)).toBe('60');
      expect(disagrees(limit)).toBe(false);
    }
    expect(remainingOf(limitAfter(created(1), change, ...redefined.slice(0, 1)))).toBe('-10');
    // Without an earlier definition, a later definition does not change the progress either.
    expect(progressOf(limitAfter(change, created(4, { value: '50' })))).toBe('60');
    const total = used(2, '10', '30', { remainingAmount: '70' });
    expect(progressOf(limitAfter(created(1), total, ...redefined))).toBe('30');
  });

  it('stores only the definitions that its progress can depend on', () => {
    const many = Array.from({ length: 300 }, (_, n) => created(10 + n));
    expect(limitAfter(...many).older).toHaveLength(100);
    expect(limitAfter(...many.toReversed())).toEqual(limitAfter(...many));
    expect(limitAfter(...many, used(305, '0', '1')).older).toHaveLength(3);
    expect(limitAfter(...many, used(1_000, '0', '1')).older).toEqual([]);
  });

  it('never has negative progress, and its remaining amount is the value minus the progress', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 12 }), (all) => {
        const limit = limitAfter(...all);
        const progress = progressOf(limit);
        const value = limitValueOf(limit);
        expect(compare(progress, '0')).toBeGreaterThanOrEqual(0);
        expect(remainingOf(limit)).toBe(value === null ? null : subtract(value, progress));
      }),
      { numRuns: 2_000 },
    );
  });

  it('has the value of its latest definition and keeps the previous value, in any order of arrival', () => {
    const [first, second, third] = [
      created(1),
      created(5, { value: '200.00' }),
      created(9, { value: '50.00' }),
    ] as const;
    expect(seen(limitAfter(first, second, third))).toMatchObject({ value: '50.00', previous: '200.00' });
    expect(seen(limitAfter(third, first))).toMatchObject({ value: '50.00', previous: '100.00' });
    expect(seen(limitAfter(third, first, second))).toMatchObject({ value: '50.00', previous: '200.00' });
    expect(seen(limitAfter(first, created(2, { value: '70', previousLimitValue: '99' })))).toMatchObject({
      previous: '99',
    });
  });

  it('keeps its progress after a late definition', () => {
    const limit = limitAfter(used(4, '10.00', '20.50'), created(1, { progress: '3.00' }));
    expect(seen(limit)).toEqual({
      value: '100.00',
      previous: null,
      progress: '30.50',
      remaining: '69.50',
      sequence: 4n,
      partial: false,
    });
    expect(seen(limitAfter(created(1, { progress: '3.00' })))).toMatchObject({ progress: '3.00' });
  });

  it('is partial if only a reset has arrived, and has no value if only progress has arrived', () => {
    const resetOnly = limitAfter(reset(7, '200', '249800'));
    expect(seen(resetOnly)).toMatchObject({
      value: '250000',
      progress: '0',
      remaining: '250000',
      partial: true,
    });
    expect(resetOnly).toMatchObject({
      type: 'DEPOSIT',
      period: 'DAY',
      status: 'UNKNOWN',
      brandId: 'brand-1',
    });
    expect(seen(limitAfter(used(7, '5', '5')))).toMatchObject({
      value: null,
      progress: '10',
      remaining: null,
    });
  });

  it('ignores events with a lower sequence number, and accepts gaps', () => {
    const limit = limitAfter(created(1), used(900, '40.00', '5.00'));
    expect(seen(limit)).toMatchObject({ progress: '45.00', sequence: 900n });
    expect(seen(applyLimitEvent(limit, reset(899, '40.00', '60.00'), testNow))).toMatchObject({
      progress: '45.00',
    });
    expect(seen(applyLimitEvent(limit, reset(901, '45.00', '55.00'), testNow))).toMatchObject({
      progress: '0',
    });
  });

  it('takes the amount as the whole progress if only this agrees with the remaining amount', () => {
    const alone = used(2, '10.00', '30.00', { remainingAmount: '70.00' });
    const together = used(2, '10.00', '30.00', { remainingAmount: '60.00' });
    const neither = used(2, '10.00', '30.00', { remainingAmount: '1.00' });
    expect(progressOf(limitAfter(created(1), alone))).toBe('30.00');
    expect(progressOf(limitAfter(alone, created(1)))).toBe('30.00');
    // A later definition does not change the progress.
    expect(progressOf(limitAfter(created(1), alone, created(3, { value: '500.00' })))).toBe('30.00');
    expect(progressOf(limitAfter(created(1), together))).toBe('40.00');
    expect(progressOf(limitAfter(created(1), neither))).toBe('40.00');
    expect(progressOf(limitAfter(alone))).toBe('40.00');
    expect([alone, together, neither].map((event) => disagrees(limitAfter(created(1), event)))).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('computes exact amounts with 30 digits', () => {
    const limit = limitAfter(
      created(1, { value: '123456789012345678901234567.890' }),
      used(2, '23456789012345678901234567.889', '100000000000000000000000000.000'),
    );
    expect(seen(limit)).toMatchObject({
      progress: '123456789012345678901234567.889',
      remaining: '0.001',
    });
  });

  it('starts at `activeFrom` and ends at `activeUntil`', () => {
    const status = { activeFrom: later(1).getTime(), activeUntil: later(3).getTime(), status: 'FUTURE' };
    const limit = limitAfter(created(1, status));
    expect([0, 1, 2, 3].map((days) => statusAt(limit, later(days)))).toEqual([
      'FUTURE',
      'ACTIVE',
      'ACTIVE',
      'CANCELED',
    ]);
    expect(limitDueAt(limit)).toEqual(later(1));
    expect(limitDueAt({ ...limit, status: 'ACTIVE' })).toEqual(later(3));
    expect(limitDueAt({ ...limit, status: 'CANCELED' })).toBeNull();
    expect(limitDueAt(limitAfter(created(1)))).toBeNull();
  });
});

describe('the next reset', () => {
  const noTime = { nextResetTime: null };
  it('is the time in the latest event that states one, and otherwise follows from the period', () => {
    expect(nextResetOf(limitAfter(created(1)), 'UTC')).toEqual(later(1));
    expect(nextResetOf(limitAfter(created(1, noTime)), 'UTC')).toEqual(later(1));
    const moved = used(2, '0', '1', { nextResetTime: later(9).getTime() });
    expect(nextResetOf(limitAfter(created(1), moved, used(3, '1', '1', noTime)), 'UTC')).toEqual(later(9));
    // After a reset that states no next reset, the period decides.
    const silent = limitEvent('USER_LIMIT_RESET', 4, noTime, { createdAt: later(9).getTime() });
    expect(nextResetOf(limitAfter(created(1), moved, silent), 'UTC')).toEqual(later(10));
  });

  it('is null after a definition with a period that never resets', () => {
    for (const period of ['INDEFINITE', 'INSTANCE']) {
      const endless = created(5, { ...noTime, period });
      expect(nextResetOf(limitAfter(created(1), endless), 'UTC')).toBeNull();
      expect(nextResetOf(limitAfter(endless, created(1)), 'UTC')).toBeNull();
      const stated = used(6, '0', '1', { nextResetTime: later(9).getTime() });
      expect(nextResetOf(limitAfter(created(1), endless, stated), 'UTC')).toEqual(later(9));
    }
  });

  it('is overdue if its time has passed and no reset has arrived', () => {
    const isOverdue = (limit: UserLimit, now: Date) => isResetOverdue(limit, nextResetOf(limit, 'UTC'), now);
    const limit = limitAfter(created(1));
    expect(isOverdue(limit, later(0.99))).toBe(false);
    expect(isOverdue(limit, later(1))).toBe(true);
    expect(isOverdue(applyLimitEvent(limit, reset(2, '0', '100'), testNow), later(1))).toBe(false);
  });
});

describe('the projected exhaustion of a limit', () => {
  const month = { period: 'MONTH', nextResetTime: later(30).getTime() };
  it('assumes the same pace as since the last reset, and is null if the period ends first', () => {
    const exhaustion = (limit: UserLimit, now: Date) =>
      projectedExhaustionOf(limit, nextResetOf(limit, 'UTC'), now);
    const limit = limitAfter(created(1, month), used(2, '0', '25.00', { nextResetTime: null }));
    expect(exhaustion(limit, later(5))).toEqual(later(20));
    expect(exhaustion(limit, later(7))).toEqual(later(28));
    expect(exhaustion(limit, later(8))).toBeNull();
    expect(exhaustion(limit, testNow)).toBeNull();
    expect(exhaustion(limitAfter(created(1, month)), later(5))).toBeNull();
    expect(percentUsedOf(limit)).toBe(25);
    expect(percentUsedOf(limitAfter(created(1, { value: '3' }), used(2, '0', '1')))).toBe(33.3333);
    expect(percentUsedOf(limitAfter(created(1, { value: '0' })))).toBe(100);
  });
});

describe('the thresholds of a limit', () => {
  const notifiedAt = (limit: UserLimit, percent: number) => ({
    ...limit,
    notifiedThreshold: { sequence: sequenceOf(limit), event: limit.change?.event ?? '', percent },
  });
  it('are crossed at the exact amount, the highest reached one only, and once until the next reset', () => {
    const at = (amount: string) => limitAfter(created(1), used(2, '0', amount));
    expect(crossedThreshold(at('79.999999999999999999'), thresholds)).toBeUndefined();
    expect(crossedThreshold(at('80'), thresholds)).toBe(80);
    expect(crossedThreshold(at('120'), thresholds)).toBe(100);
    const limit = notifiedAt(at('80'), 80);
    const [more, all] = [used(3, '80', '15'), used(4, '95', '5')] as const;
    const apply = (one: UserLimit, event: LimitEvent) => applyLimitEvent(one, event, testNow);
    expect(crossedThreshold(apply(limit, more), thresholds)).toBeUndefined();
    expect(crossedThreshold(apply(limit, all), thresholds)).toBe(100);
    expect(crossedThreshold(apply(limit, reset(5, '80', '20')), thresholds)).toBeUndefined();
    expect(crossedThreshold(apply(apply(limit, reset(5, '80', '20')), used(6, '0', '90')), thresholds)).toBe(
      80,
    );
    // After a reset that arrives late, later events can cross the threshold again.
    expect(crossedThreshold(apply(apply(limit, used(6, '0', '90')), reset(5, '80', '20')), thresholds)).toBe(
      80,
    );
  });

  it('can be crossed again after a reset with the same sequence number only if the reset has the later place', () => {
    const at = (source: string) => ({ ...reset(2, '85', '15'), source });
    const limit = notifiedAt(limitAfter(created(1), { ...used(2, '0', '85'), source: 'm' }), 80);
    for (const event of [used(3, '85', '1'), used(3, '0', '85')]) {
      const followedBy = (source: string) =>
        [at(source), event].reduce<UserLimit>((one, next) => applyLimitEvent(one, next, testNow), limit);
      expect(crossedThreshold(followedBy('a'), thresholds)).toBeUndefined();
      expect(crossedThreshold(followedBy('z'), thresholds)).toBe(80);
    }
  });

  it('differ between the types of limits', () => {
    const session = limitAfter(created(1, { type: 'SESSION', value: '3600' }), used(2, '0', '3239'));
    expect(crossedThreshold(session, thresholds)).toBeUndefined();
    expect(crossedThreshold(applyLimitEvent(session, used(3, '3239', '1'), testNow), thresholds)).toBe(90);
  });
});
