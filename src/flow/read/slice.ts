/** A part of a list, and whether entries follow it. */
export interface Slice<Row> {
  readonly rows: readonly Row[];
  readonly hasMore: boolean;
}

/** Reads `first` entries. It reads one entry more to find out whether entries follow. */
export async function readSlice<Row>(
  first: number,
  read: (first: number) => Promise<readonly Row[]>,
): Promise<Slice<Row>> {
  const rows = await read(first + 1);
  return { rows: rows.slice(0, first), hasMore: rows.length > first };
}
