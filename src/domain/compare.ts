/**
 * Compares two texts by UTF-16 code units, for `sort`. Unlike the order of a locale, this order is the same
 * on every machine.
 */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
