/** Whether the place of a cursor is one in the list of notifications: the decimal seq of an entry. */
export function isSeq(place: readonly string[]): boolean {
  return place.length === 1 && /^[1-9]\d{0,17}$/.test(place[0] ?? '');
}
