import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Domain } from "./basis.js";
import { ascii, type Bytes, ceilDiv, equal, join, larger, number, word } from "./bytes.js";
import { at, CODES, demand, Refusal } from "./errors.js";
import { P } from "./group.js";
import { AUXILIARY_SIGNED, publicSlots, slotShape } from "./kinds.js";
import { type EpochPackage, type RiskStatement } from "./schema.js";
import { type Bound, boundsOf } from "./shapes.js";

/** The own account: docs/specification/further-proofs.md, "Commitment" and "Inclusion". */
export interface OwnAccount {
  readonly account: bigint;
  /** 20 bytes; zeros for an account of the ledger itself. */
  readonly owner: Bytes;
  /** 32 bytes: the seed of the epoch. */
  readonly seed: Bytes;
  /** Amounts by name of slot, where a slot that is not named has 0; or those of all public slots, in order. */
  readonly holdings: ReadonlyMap<string, bigint> | readonly bigint[];
}

export function verifyInclusion(content: EpochPackage, own: OwnAccount, domain: Domain): void {
  const { statement, commitments } = content;
  demand(own.seed.length === 32 && own.owner.length === 20, CODES.BAD_LENGTH, "seed or owner");
  const certified = commitments.items().find(([account]) => account === own.account);
  demand(certified !== undefined, CODES.NOT_INCLUDED, `account ${own.account}`);
  const values = allValues(statement, own.holdings instanceof Map ? own.holdings : inOrder(statement, own.holdings as readonly bigint[]));
  const hiding: [bigint, bigint] = [blinder(statement, own, 0), blinder(statement, own, 1)];
  const point = domain.commit(values, hiding);
  // The recomputed commitment is never shown: beside the certified one it reveals by how much the holdings differ.
  demand(!point.is0() && equal(point.toBytes(true), certified[1]), CODES.NOT_INCLUDED, `account ${own.account}`);
}

function inOrder(statement: RiskStatement, amounts: readonly bigint[]): ReadonlyMap<string, bigint> {
  const slots = publicSlots(statement);
  demand(amounts.length === slots.length, CODES.BAD_LENGTH, "amounts of the public slots");
  return new Map(slots.map((slot, index) => [at(statement.slots, slot).name, at(amounts, index)] as const));
}

function blinder(statement: RiskStatement, own: OwnAccount, index: number): bigint {
  const info = join(
    ascii("crossclear/proofs/blinder/v2"), statement.network, word(own.account), new Uint8Array(12), own.owner,
    word(statement.epoch), statement.state_root, word(0), word(index),
  );
  return number(hkdf(sha256, own.seed, new Uint8Array(32), info, 64)) % P;
}

/** Values of all slots: the public ones as given, the auxiliary ones as "Auxiliary values" of statement.md says. */
export function allValues(statement: RiskStatement, holdings: ReadonlyMap<string, bigint>): Map<number, bigint> {
  const values = new Map<number, bigint>();
  const names = new Map(statement.slots.map(({ name, kind }, slot) => [name, { slot, kind }]));
  const places = [...holdings].map(([name, amount]) => {
    const place = names.get(name);
    demand(place !== undefined && slotShape(place.kind).published, CODES.BAD_STATEMENT, "a name of no public slot");
    return { ...place, amount };
  });
  for (const { slot, kind, amount } of places) {
    const { width, offset } = slotShape(kind);
    demand(amount + offset >= 0n && amount + offset < 1n << BigInt(8 * width), CODES.NOT_INCLUDED, "an amount is out of range");
    values.set(slot, amount);
  }
  statement.slots.forEach(({ kind }, slot) => {
    if (slotShape(kind).published && !values.has(slot)) values.set(slot, 0n);
  });
  return new Auxiliary(statement, values).complete();
}

class Auxiliary {
  private readonly bounds: Map<number, Bound[]>;
  private readonly tails = new Map<number, Bound>();
  private readonly open = new Set<number>();

  constructor(private readonly statement: RiskStatement, private readonly values: Map<number, bigint>) {
    this.bounds = boundsOf(statement);
    for (const list of this.bounds.values()) {
      for (const bound of list) {
        const slot = [...bound.signed.keys()][0];
        if (slot !== undefined && bound.signed.get(slot) === -bound.whole) this.tails.set(slot, bound);
      }
    }
  }

  complete(): Map<number, bigint> {
    this.statement.slots.forEach((_, slot) => this.value(slot));
    return this.values;
  }

  private value(slot: number): bigint {
    const known = this.values.get(slot);
    if (known !== undefined) return known;
    if (this.open.has(slot)) throw new Refusal(CODES.BAD_STATEMENT, "a circle of slots");
    this.open.add(slot);
    const value = at(this.statement.slots, slot).kind === AUXILIARY_SIGNED ? this.tail(slot) : this.least(slot);
    this.values.set(slot, value);
    return value;
  }

  private openSum(bound: Bound): bigint {
    return [...bound.open].reduce((total, [slot, factor]) => total + factor * this.value(slot), 0n);
  }

  private least(slot: number): bigint {
    let best = 0n;
    for (const bound of this.bounds.get(slot) ?? []) {
      let needed = -bound.constant - this.openSum(bound);
      for (const [other, factor] of bound.above) needed += factor * this.value(other);
      for (const [other, factor] of bound.signed) needed -= factor * this.value(other);
      best = larger(best, ceilDiv(needed, bound.whole));
    }
    return best;
  }

  private tail(slot: number): bigint {
    const bound = this.tails.get(slot);
    demand(bound !== undefined, CODES.BAD_STATEMENT, "a tail without an expected shortfall");
    const losses = [...bound.above].map(([other, count]) => {
      const scenario = at(this.bounds.get(other) ?? [], 0);
      return { loss: -scenario.constant - this.openSum(scenario), count };
    });
    losses.sort((a, b) => (a.loss !== b.loss ? (a.loss > b.loss ? -1 : 1) : a.count > b.count ? -1 : 1));
    let rest = bound.whole;
    for (const { loss, count } of losses) {
      rest -= count;
      if (rest <= 0n) return loss;
    }
    throw new Refusal(CODES.BAD_STATEMENT, "an expected shortfall of too few scenarios");
  }
}
