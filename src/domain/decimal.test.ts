import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { add, compare, percentage, ratio, subtract, times } from './decimal.ts';

const upTo = (max: bigint) => fc.bigInt(-max, max);

/**
 * Numbers of up to 30 digits, each as a whole number of units and a number of decimals. Most of the numbers
 * are short, like amounts of money.
 */
const numbers = fc.record({
  units: fc.oneof(upTo(10n ** 30n), upTo(10n ** 16n), upTo(10n ** 7n), upTo(20n)),
  scale: fc.nat(12),
});
type Numbers = typeof numbers extends fc.Arbitrary<infer T> ? T : never;

function text({ units, scale }: Numbers): string {
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const sign = units < 0n ? '-' : '';
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Returns the number in units of 10^-24. No number in these tests has more than 24 decimals. */
const exact = (decimal: string): bigint => {
  const [whole = '', fraction = ''] = decimal.split('.');
  return BigInt(whole + fraction.padEnd(24, '0'));
};

describe('decimals', () => {
  it('are added, subtracted and compared exactly with 30 digits and any number of decimals', () => {
    fc.assert(
      fc.property(numbers, numbers, (x, y) => {
        const [a, b] = [text(x), text(y)];
        expect(exact(add(a, b))).toBe(exact(a) + exact(b));
        expect(exact(subtract(a, b))).toBe(exact(a) - exact(b));
        expect(add(subtract(a, b), b).split('.')[0]).toBe(add(a, '0').split('.')[0]);
        expect(Math.sign(compare(a, b))).toBe(exact(a) < exact(b) ? -1 : Number(exact(a) > exact(b)));
        expect(exact(times(a, 100))).toBe(exact(a) * 100n);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['0.1', '0.2', '0.3'],
    ['9800.00', '0', '9800.00'],
    ['999999999999999999999999999999', '1', '1000000000000000000000000000000'],
    ['0.000000000000000000000000000001', '1', '1.000000000000000000000000000001'],
    ['-0.05', '0.05', '0.00'],
    ['-1.5', '1', '-0.5'],
  ])('%s and %s make %s', (a, b, sum) => {
    expect(add(a, b)).toBe(sum);
  });

  it('give percentages that are truncated to 4 decimals', () => {
    expect(percentage('1', '3')).toBe(33.3333);
    expect(percentage('29', '100')).toBe(29);
    fc.assert(
      fc.property(numbers, numbers, (x, y) => {
        const [a, b] = [text(x), text(y)];
        fc.pre(y.units !== 0n);
        expect(percentage(a, b) + 0).toBe(Number(ratio(times(a, 100), b, 4)) + 0);
      }),
      { numRuns: 5_000 },
    );
  });

  it('are equal if their values are equal, and a quotient is truncated', () => {
    expect(compare('1.0', '1')).toBe(0);
    expect(ratio('2', '3', 4)).toBe('0.6666');
    expect(ratio('250000.00', '250000', 2)).toBe('1.00');
  });
});
