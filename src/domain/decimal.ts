/**
 * An exact decimal as text, `9800.00`, of any length. Results have the decimals of the operand with more of them, as
 * Postgres' `numeric` has it: nothing is rounded and nothing goes through a float.
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

/** Both as whole numbers of the same unit. */
function aligned(a: Decimal, b: Decimal): readonly [a: bigint, b: bigint, scale: number] {
  const scale = Math.max(scaleOf(a), scaleOf(b));
  return [unitsOf(a, scale), unitsOf(b, scale), scale];
}

function written(units: bigint, scale: number): Decimal {
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${units < 0n ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
}

export function add(a: Decimal, b: Decimal): Decimal {
  const [x, y, scale] = aligned(a, b);
  return written(x + y, scale);
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  const [x, y, scale] = aligned(a, b);
  return written(x - y, scale);
}

/** By a whole number. */
export function times(a: Decimal, factor: number): Decimal {
  const scale = scaleOf(a);
  return written(unitsOf(a, scale) * BigInt(factor), scale);
}

/** Below 0, 0 or above 0, as a is below, equal to or above b: `1.0` equals `1`. */
export function compare(a: Decimal, b: Decimal): number {
  const [x, y] = aligned(a, b);
  return x < y ? -1 : Number(x > y);
}

/** How much a is of b, which is not 0, rounded down to so many decimals. */
export function ratio(a: Decimal, b: Decimal, decimals: number): Decimal {
  const [x, y] = aligned(a, b);
  const units = (x * 10n ** BigInt(decimals)) / y;
  return written(units, decimals);
}
