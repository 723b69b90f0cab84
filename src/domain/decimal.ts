/**
 * An exact decimal as text, for example `9800.00`, of any length. A result has as many decimals as the
 * operand that has more decimals, like `numeric` in PostgreSQL. No result is rounded, except by the functions
 * that say so. Whole numbers that a `number` holds exactly are computed as numbers, which is faster.
 */
export type Decimal = string;

function unitsOf(value: Decimal, scale: number): bigint {
  const missing = scale - scaleOf(value);
  const digits = value.replace('.', '');
  return BigInt(missing === 0 ? digits : digits + '0'.repeat(missing));
}

function scaleOf(value: Decimal): number {
  const point = value.indexOf('.');
  return point === -1 ? 0 : value.length - point - 1;
}

/**
 * Returns the decimal as a `number` of units of 10^-scale. Calculating with a `number` is much faster than
 * with a `bigint`. NaN if a `number` cannot hold all digits exactly.
 */
function numberOf(value: Decimal, scale: number): number {
  const units = Number(value) * 10 ** scale;
  return Math.abs(units) < 1e15 ? Math.round(units) : Number.NaN;
}

const commonScale = (a: Decimal, b: Decimal) => Math.max(scaleOf(a), scaleOf(b));

/** Returns both decimals as whole numbers of the same unit. */
function aligned(a: Decimal, b: Decimal): readonly [a: bigint, b: bigint] {
  const scale = commonScale(a, b);
  return [unitsOf(a, scale), unitsOf(b, scale)];
}

function written(units: bigint | number, scale: number): Decimal {
  const digits = String(units < 0 ? -units : units).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${units < 0 ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
}

export function add(a: Decimal, b: Decimal): Decimal {
  const scale = commonScale(a, b);
  const sum = numberOf(a, scale) + numberOf(b, scale);
  return written(Number.isNaN(sum) ? unitsOf(a, scale) + unitsOf(b, scale) : sum, scale);
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  const scale = commonScale(a, b);
  const difference = numberOf(a, scale) - numberOf(b, scale);
  return written(Number.isNaN(difference) ? unitsOf(a, scale) - unitsOf(b, scale) : difference, scale);
}

/** Multiplies by a whole number. */
export function times(a: Decimal, factor: number): Decimal {
  const scale = scaleOf(a);
  return written(unitsOf(a, scale) * BigInt(factor), scale);
}

/** Returns a negative number if a < b, 0 if a = b, and a positive number if a > b. `1.0` equals `1`. */
export function compare(a: Decimal, b: Decimal): number {
  const scale = commonScale(a, b);
  const difference = numberOf(a, scale) - numberOf(b, scale);
  if (!Number.isNaN(difference)) return difference < 0 ? -1 : Number(difference > 0);
  const [x, y] = aligned(a, b);
  return x < y ? -1 : Number(x > y);
}

/** Returns a as a percentage of b, truncated to four decimals. b must not be 0. */
export function percentage(a: Decimal, b: Decimal): number {
  const scale = commonScale(a, b);
  const [x, y] = [numberOf(a, scale) * 1e6, numberOf(b, scale)];
  // For whole numbers of this size, rounding never raises the quotient to the next whole number.
  if (Number.isSafeInteger(x) && Number.isSafeInteger(y)) return Math.trunc(x / y) / 1e4;
  return Number(ratio(times(a, 100), b, 4));
}

/** Returns a divided by b, truncated to this number of decimals. b must not be 0. */
export function ratio(a: Decimal, b: Decimal, decimals: number): Decimal {
  const [x, y] = aligned(a, b);
  const units = (x * 10n ** BigInt(decimals)) / y;
  return written(units, decimals);
}
