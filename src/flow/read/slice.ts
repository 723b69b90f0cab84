/** A part of a list. `hasMore` says whether the list has entries after this part. */
export interface Slice<Row> {
  readonly rows: readonly Row[];
  readonly hasMore: boolean;
}

/** Reads `first` entries. Reads one more entry to find out whether there are more entries. */
export async function readSlice<Row>(
  first: number,
  read: (first: number) => Promise<readonly Row[]>,
): Promise<Slice<Row>> {
  const rows = await read(first + 1);
  return { rows: rows.slice(0, first), hasMore: rows.length > first };
}
