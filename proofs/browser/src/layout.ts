import { absolute, type Bytes, concat, join, tagged } from "./bytes.js";
import { at, CODES, demand } from "./errors.js";
import { writeCount, writeInteger } from "./messagepack.js";

/** Which slots and rows a linear proof is about, and where their digits are: docs/specification/linear-proof.md. */
export interface SlotRange {
  readonly width: number;
  readonly offset: bigint;
}
export interface RowRange {
  readonly width: number;
  readonly coefficients: readonly (readonly [number, bigint])[];
  readonly constant: bigint;
  readonly shortfall: boolean;
}
export interface Layout {
  readonly size: number;
  readonly slots: readonly SlotRange[];
  readonly rows: readonly RowRange[];
  readonly places: readonly (readonly [number, number])[];
  readonly columns: number;
  readonly digest: Bytes;
}

const WIDTHS = [0, 5, 7, 8];
export const COLUMNS_MAX = 16;

export function makeLayout(
  size: number, slots: readonly SlotRange[], rows: readonly RowRange[], rangedElsewhere = false,
): Layout {
  const bad = CODES.BAD_LAYOUT;
  demand([256, 512, 1024, 2048].includes(size), bad, "domain");
  demand(slots.length >= 1 && slots.length <= size, bad, "number of slots");
  for (const { width, offset } of slots) {
    demand(WIDTHS.includes(width), bad, "width");
    demand(offset >= 0n && (width === 0 ? offset === 0n : offset < 1n << BigInt(8 * width)), bad, "offset");
  }
  for (const row of rows) {
    demand(WIDTHS.includes(row.width), bad, "width");
    let last = -1;
    for (const [slot, coefficient] of row.coefficients) {
      demand(slot > last && slot < slots.length, bad, "order of coefficients");
      demand(coefficient !== 0n && absolute(coefficient) < 1n << 62n, bad, "coefficient");
      last = slot;
    }
    demand(absolute(row.constant) < 1n << 63n, bad, "constant");
  }
  if (!rangedElsewhere) slots.forEach(({ width }, slot) => demand(width !== 0 || tied(slot, slots, rows), bad, "untied"));
  const { places, columns } = place(size, [...slots, ...rows].map(({ width }) => width));
  demand(columns <= COLUMNS_MAX, bad, "columns");
  return { size, slots, rows, places, columns, digest: digest(size, slots, rows, places) };
}

function tied(slot: number, slots: readonly SlotRange[], rows: readonly RowRange[]): boolean {
  return rows.some(
    (row) =>
      row.width === 0 &&
      !row.shortfall &&
      row.coefficients.some(([other, coefficient]) => other === slot && absolute(coefficient) === 1n) &&
      row.coefficients.every(([other]) => other === slot || at(slots, other).width !== 0),
  );
}

function place(size: number, widths: readonly number[]): { places: [number, number][]; columns: number } {
  let column = 0;
  let next = 0;
  let used = false;
  const places = widths.map((width): [number, number] => {
    if (width === 0) return [0, 0];
    if (next + width > size) {
      column += 1;
      next = 0;
    }
    used = true;
    next += width;
    return [column, next - width];
  });
  return { places, columns: used ? column + 1 : 1 };
}

function digest(
  size: number, slots: readonly SlotRange[], rows: readonly RowRange[], places: readonly (readonly [number, number])[],
): Bytes {
  const list = (items: readonly Bytes[]): Bytes => join(writeCount(items.length), concat(items));
  const integer = (value: bigint | number): Bytes => writeInteger(BigInt(value));
  return tagged(
    "crossclear/proofs/layout/v1",
    list([
      integer(size),
      list(slots.map(({ width, offset }) => list([integer(width), integer(offset)]))),
      list(
        rows.map((row) =>
          list([
            integer(row.width),
            list(row.coefficients.map(([slot, coefficient]) => list([integer(slot), integer(coefficient)]))),
            integer(row.constant),
            Uint8Array.of(row.shortfall ? 0xc3 : 0xc2),
          ]),
        ),
      ),
      list(places.map(([column, first]) => list([integer(column), integer(first)]))),
    ]),
  );
}
