import { at, CODES, Refusal } from "./errors.js";
import { type RiskStatement } from "./schema.js";

/** Kinds of slots and rows: docs/specification/statement.md. A kind that is not listed here cannot be judged. */
export const CASH = 1n;
export const TOKEN = 2n;
export const POSITION = 3n;
export const GROUP_MAX = 4n;
export const AUXILIARY = 5n;
export const AUXILIARY_SIGNED = 6n;
export const UNCOVERED = 7n;
export const NET_CHARGE = 8n;
export const HISTORICAL = 9n;
export const AT_LEAST_ZERO = 1n;
export const EQUAL_ZERO = 2n;

export interface SlotShape {
  readonly width: number;
  readonly offset: bigint;
  readonly published: boolean;
}

const SLOTS: readonly SlotShape[] = [
  { width: 8, offset: 1n << 63n, published: true },
  { width: 7, offset: 0n, published: true },
  { width: 5, offset: 1n << 39n, published: true },
  { width: 8, offset: 0n, published: false },
  { width: 8, offset: 0n, published: false },
  { width: 8, offset: 1n << 63n, published: false },
  { width: 8, offset: 0n, published: false },
  { width: 8, offset: 0n, published: false },
  { width: 8, offset: 0n, published: false },
];

export const slotShape = (kind: bigint): SlotShape => at(SLOTS, Number(kind) - 1);
export const rowWidth = (kind: bigint): number => (kind === AT_LEAST_ZERO ? 8 : 0);

export function demandKnownKinds(statement: RiskStatement): void {
  for (const { kind } of statement.slots) {
    if (kind < 1n || kind > BigInt(SLOTS.length)) throw new Refusal(CODES.UNKNOWN_KIND, `slot kind ${kind}`);
  }
  for (const { kind } of statement.rows) {
    if (kind !== AT_LEAST_ZERO && kind !== EQUAL_ZERO) throw new Refusal(CODES.UNKNOWN_KIND, `row kind ${kind}`);
  }
}

/** Numbers of the slots of one kind, in order. */
export const slotsOf = (statement: RiskStatement, kind: bigint): number[] =>
  statement.slots.flatMap((slot, index) => (slot.kind === kind ? [index] : []));

/** Numbers of the slots whose total is published, in order. */
export const publicSlots = (statement: RiskStatement): number[] =>
  statement.slots.flatMap((slot, index) => (slotShape(slot.kind).published ? [index] : []));
