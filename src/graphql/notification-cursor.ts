/**
 * Whether a position is valid in the list of notifications. Such a position is the decimal `seq` of a
 * notification.
 */
export function isSeq(place: readonly string[]): boolean {
  return place.length === 1 && /^[1-9]\d{0,17}$/.test(place[0] ?? '');
}
