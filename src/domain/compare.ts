/** Order by UTF-16 code units, for `sort`: the same wherever it is computed, unlike that of a locale. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
