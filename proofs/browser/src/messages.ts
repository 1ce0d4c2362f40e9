import { type Bytes } from "./bytes.js";
import { at } from "./errors.js";
import { vectorLayout } from "./further.js";
import { slotsOf, UNCOVERED } from "./kinds.js";
import { TAIL_BYTES } from "./linear.js";
import { type EpochPackage } from "./schema.js";
import { layoutOf } from "./statement.js";

/** The points of a good package's proofs that have fresh blinders, each with its name: docs/specification/history.md. */
export function blindedMessages(content: EpochPackage): [string, Bytes][] {
  const { statement, domain, commitments, proof, book, house } = content;
  const { epoch } = statement;
  const out: [string, Bytes][] = [];
  const joint = new Parts(proof, layoutOf(statement, domain).columns);
  commitments.items().forEach(([account], k) => {
    joint.digits(k).forEach((point, column) => out.push([`C_D of account ${account}, column ${column}, in a proof of epoch ${epoch}`, point]));
  });
  out.push([`C_m of a proof of epoch ${epoch}`, joint.tail(0)], [`C_S of a proof of epoch ${epoch}`, joint.tail(48)]);
  out.push([`R of a book of epoch ${epoch}`, book.subarray(0, 48)]);
  out.push(...ofCover(content));
  if (house.length > 0) {
    const parts = new Parts(house, (house.length - TAIL_BYTES) / 128);
    out.push(
      [`C_D of the house's proof of epoch ${epoch}`, at(parts.digits(0), 0)],
      [`C_m of the house's proof of epoch ${epoch}`, parts.tail(0)],
      [`C_S of the house's proof of epoch ${epoch}`, parts.tail(48)],
    );
  }
  return out;
}

function ofCover({ statement, domain, cover }: EpochPackage): [string, Bytes][] {
  const terms = statement.cover[0];
  if (terms === undefined) return [];
  const { epoch } = statement;
  const members = new Set(terms.members.map(([, member]) => member)).size;
  const { columns } = vectorLayout(domain, members, terms.fund);
  const scenarios = slotsOf(statement, UNCOVERED);
  const start = 48 * scenarios.length;
  const parts = new Parts(cover.subarray(start, start + 128 * columns * scenarios.length + TAIL_BYTES), columns);
  const out: [string, Bytes][] = [];
  scenarios.forEach((slot, s) => {
    const place = `of stress ${at(statement.slots, slot).name.replace(/^uncovered:/, "").slice(0, 64)} in a proof of epoch ${epoch}`;
    out.push([`C_V ${place}`, cover.subarray(48 * s, 48 * s + 48)]);
    parts.digits(s).forEach((point, column) => out.push([`C_D, column ${column}, ${place}`, point]));
  });
  out.push([`C_m of the fund's proof of epoch ${epoch}`, parts.tail(0)], [`C_S of the fund's proof of epoch ${epoch}`, parts.tail(48)]);
  return out;
}

/** The points of a linear proof by their places. */
class Parts {
  constructor(private readonly proof: Bytes, private readonly columns: number) {}

  digits(k: number): Bytes[] {
    const start = 128 * this.columns * k;
    return Array.from({ length: this.columns }, (_, c) => this.proof.subarray(start + 48 * c, start + 48 * c + 48));
  }

  tail(offset: number): Bytes {
    const start = this.proof.length - TAIL_BYTES + offset;
    return this.proof.subarray(start, start + 48);
  }
}
