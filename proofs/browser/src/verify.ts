import { contradiction, readAnswer } from "./answer.js";
import { Domain } from "./basis.js";
import { type Bytes, equal, hex, larger } from "./bytes.js";
import { demandFinal, goodSet } from "./certificate.js";
import { type Assurance, verifyCustody } from "./custody.js";
import { CODES, demand, Refusal } from "./errors.js";
import { verifyBook, verifyCover, verifyHouse } from "./further.js";
import { type OwnAccount, verifyInclusion } from "./inclusion.js";
import { point1 } from "./group.js";
import { publicSlots, slotsOf, UNCOVERED } from "./kinds.js";
import { type Layout } from "./layout.js";
import { proofBytes, type ProvenAccount, verifyLinear } from "./linear.js";
import { commitmentsRoot, type ReadPackage, readPackage } from "./package.js";
import { readRulebook, type Rulebook } from "./rulebook.js";
import { verifyRules } from "./rules.js";
import { demandSizes } from "./sizes.js";
import { demandSolvent, listed, readStandalone } from "./standalone.js";
import { demandReserves, demandWellFormed } from "./statement.js";
import { type Transcript } from "./transcript.js";
import { type Check, type CheckName, MEANINGS, type Verdict } from "./verdict.js";
import { attestedValues, cashSlots, claim, lacking, notProven, type Shown, visible } from "./words.js";

/** What a verifier takes from its caller, and never from the file: docs/specification/verification.md. */
export interface Trusted {
  /** 32 bytes each. */
  readonly network?: Bytes | undefined;
  readonly validatorsHash?: Bytes | undefined;
  readonly own?: OwnAccount | undefined;
  /** Milliseconds since 1970: the time of the check, and the largest age that is accepted. The check `freshness` runs if one of
   * these or the least height is given; without a time it takes the machine's, without a largest age it accepts any. */
  readonly now?: bigint | undefined;
  readonly maxAge?: bigint | undefined;
  /** The least height of the snapshot that is accepted. */
  readonly minHeight?: bigint | undefined;
}

export interface Progress {
  /** A check begins. */
  readonly begins?: (name: CheckName) => void;
  /** A share from 0 to 1 of the running check is done. */
  readonly share?: (share: number) => void;
  /** A check has ended. */
  readonly ends?: (check: Check) => void;
}

/** How far a header may be ahead of this machine's clock. */
const AHEAD_MS = 300000n;

/** The time of a rulebook's prices, if it can be read; if not, the check `rules` says so. */
function pricedAt(rules: Bytes): bigint | undefined {
  try {
    return readRulebook(rules).time_ms;
  } catch {
    return undefined;
  }
}

const grouped = (value: bigint): string => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** A span of time in the largest unit of which there is more than one. */
function inWords(milliseconds: bigint): string {
  const units: [bigint, string][] = [[86400000n, "days"], [3600000n, "hours"], [60000n, "minutes"]];
  for (const [size, name] of units) if (milliseconds >= 2n * size) return `${grouped(milliseconds / size)} ${name}`;
  return `${milliseconds / 1000n} seconds`;
}

interface Outcome {
  readonly detail: string;
  readonly complete?: boolean;
}

/** Check a standalone proof of one account beside its package: only the checks that it needs. */
export function verifyStandalone(file: Bytes, proof: Bytes, trusted: Trusted = {}, progress: Progress = {}): Verdict {
  return new Checks(file, trusted, progress).runStandalone(proof);
}

/** Check that a node's signed answer agrees with a package: certificate, roots, statement, then the comparison. */
export function verifyAnswer(file: Bytes, answer: Bytes, trusted: Trusted = {}, progress: Progress = {}): Verdict {
  return new Checks(file, trusted, progress).runAnswer(answer);
}

/** Check an epoch package. The checks run in the order of the specification; the first that fails ends it. */
export function verifyPackage(file: Bytes, trusted: Trusted = {}, progress: Progress = {}): Verdict {
  return new Checks(file, trusted, progress).run();
}

type Step = [CheckName, () => Outcome];

class Checks {
  private read: ReadPackage | undefined;
  private layout: Layout | undefined;
  private accounts: ProvenAccount[] = [];
  private transcript: Transcript | undefined;
  private domain: Domain | undefined;
  private assurances: Assurance[] = [];
  private book: Rulebook | undefined;
  private houseMissing = false;

  constructor(
    private readonly file: Bytes,
    private readonly trusted: Trusted,
    private readonly progress: Progress,
  ) {}

  run(): Verdict {
    return this.judged([
      ...this.certified().slice(0, 2),
      ["sizes", () => this.sizes()],
      ...this.certified().slice(2),
      ["ranges_and_rows", () => this.rangesAndRows()],
      ["matched_book", () => this.matchedBook()],
      ["reserves", () => this.reserves()],
      ["custody", () => this.custody()],
      ["cover", () => this.cover()],
      ["house", () => this.house()],
      ["rules", () => this.rules()],
      ...(this.trusted.own === undefined ? [] : [["inclusion", () => this.inclusion()] satisfies Step]),
    ]);
  }

  private certified(): Step[] {
    return [
      ["encoding", () => this.encoding()],
      ["certificate", () => this.certificate()],
      ["roots", () => this.roots()],
      ...(this.checksAge() ? [["freshness", () => this.freshness()] satisfies Step] : []),
      ["statement", () => this.statement()],
    ];
  }

  runStandalone(file: Bytes): Verdict {
    let account = 0n;
    return this.judged([
      ["encoding", () => {
        const outcome = this.encoding();
        readStandalone(file);
        return outcome;
      }],
      ...this.certified().slice(1),
      ["rules", () => this.rules()],
      ["listed", () => {
        if (this.read !== undefined) account = listed(this.read, readStandalone(file));
        return { detail: `the proof is about account ${account}` };
      }],
      ["solvency", () => {
        if (this.read === undefined || this.layout === undefined) throw new Error("checks run in order");
        demandSolvent(this.read, this.layout, account, readStandalone(file));
        return { detail: `every slot and row of account ${account} lies in its range` };
      }],
    ]);
  }

  runAnswer(file: Bytes): Verdict {
    return this.judged([
      ...this.certified(),
      ["answer", () => {
        const answer = readAnswer(file);
        const why = contradiction(this.content, answer, new Domain(this.content.domain));
        demand(why === undefined, CODES.NOT_INCLUDED, `the answer and the package contradict each other: ${why ?? ""}`);
        return { detail: `the answer about account ${answer.account} agrees with the package` };
      }],
    ]);
  }

  private judged(steps: readonly Step[]): Verdict {
    const checks: Check[] = [];
    for (const [name, step] of steps) {
      this.progress.begins?.(name);
      const check = judge(name, step);
      checks.push(check);
      this.progress.ends?.(check);
      if (!check.ok) break;
    }
    return this.verdict(checks, steps.slice(checks.length).map(([name]) => name));
  }

  private verdict(checks: readonly Check[], notRun: readonly CheckName[]): Verdict {
    const ok = checks.every((check) => check.ok) && notRun.length === 0;
    const content = this.read?.content;
    // A claim is about the whole package: it is made when all checks of a package have run.
    const whole = ok && checks.some(({ name }) => name === "house");
    const shown: Shown = {
      assurances: this.assurances,
      book: this.book,
      trustedSet: this.trusted.validatorsHash !== undefined,
      trustedNetwork: this.trusted.network !== undefined,
      freshness: this.checksAge(),
      anyAge: this.trusted.maxAge === undefined,
      houseMissing: this.houseMissing,
    };
    const attested = whole && content !== undefined ? attestedValues(content, this.book) : {};
    return {
      ok,
      complete: ok && checks.every((check) => check.complete),
      checks,
      notRun,
      claim: whole && content !== undefined ? claim(content, shown) : "",
      notProven: whole && content !== undefined ? notProven(content, shown, attested) : [],
      attested,
      network: content === undefined ? "" : hex(content.header.network),
      height: content === undefined ? "" : String(content.statement.height),
      epoch: content === undefined ? "" : String(content.statement.epoch),
      bytes: this.file.length,
    };
  }

  private checksAge(): boolean {
    const { now, maxAge, minHeight } = this.trusted;
    return now !== undefined || maxAge !== undefined || minHeight !== undefined;
  }

  private get content(): ReadPackage["content"] {
    if (this.read === undefined) throw new Error("checks run in order");
    return this.read.content;
  }

  private encoding(): Outcome {
    this.read = readPackage(this.file);
    return { detail: `${this.file.length} bytes, canonical` };
  }

  private certificate(): Outcome {
    const { header, certificate, validators } = this.content;
    const set = goodSet(validators);
    const { validatorsHash, network = header.network } = this.trusted;
    demand(validatorsHash === undefined || equal(set.hash, validatorsHash), CODES.WRONG_NETWORK, "validator set");
    demandFinal(header, certificate, validators, set, network);
    // Without a trusted set and network the file names its own: the check is open.
    const trusted = validatorsHash !== undefined && this.trusted.network !== undefined;
    const named = trusted ? "" : ", whom the file itself names";
    const detail = `header ${header.height} is final under ${validators.validators.length} validators${named}`;
    return { detail, complete: trusted };
  }

  private sizes(): Outcome {
    demandSizes(this.content);
    return { detail: `the proofs have the lengths that ${this.content.commitments.length} accounts demand` };
  }

  private freshness(): Outcome {
    const { header, statement } = this.content;
    const { maxAge, minHeight = 0n } = this.trusted;
    const now = this.trusted.now ?? BigInt(Date.now());
    demand(header.time_ms <= now + AHEAD_MS, CODES.FROM_THE_FUTURE, `the header is ${header.time_ms - now} ms ahead`);
    const age = larger(now - header.time_ms, 0n);
    const ofPrices = larger(now - (pricedAt(statement.rules) ?? header.time_ms), 0n);
    if (maxAge !== undefined) {
      demand(age <= maxAge, CODES.STALE, `the header is ${inWords(age)} old, at most ${inWords(maxAge)} is accepted`);
      demand(ofPrices <= maxAge, CODES.STALE, `prices are ${inWords(ofPrices)} old, at most ${inWords(maxAge)} is accepted`);
    }
    demand(statement.height >= minHeight, CODES.BELOW_MIN_HEIGHT, `height ${statement.height}, at least ${minHeight}`);
    const accepted = maxAge === undefined ? "any age is accepted" : `at most ${inWords(maxAge)} is accepted`;
    return { detail: `the header is ${inWords(age)} old, prices ${inWords(ofPrices)}; ${accepted}` };
  }

  private roots(): Outcome {
    const { header, statement, commitments } = this.content;
    if (this.read !== undefined) {
      demand(equal(commitmentsRoot(this.read), header.commitments_root), CODES.WRONG_ROOT, "commitments root");
    }
    const before = statement.height === header.commitments_height && statement.height < header.height;
    demand(before, CODES.WRONG_ROOT, "height");
    demand(equal(statement.network, header.network), CODES.WRONG_NETWORK);
    demand(statement.epoch === header.epoch, CODES.EPOCH_DIFFERS);
    const different = new Set(commitments.map(([, commitment]) => hex(commitment)));
    demand(different.size === commitments.length, CODES.COMMITMENTS_EQUAL);
    return { detail: `${commitments.length} commitments and the statement are the certified ones` };
  }

  private statement(): Outcome {
    this.layout = demandWellFormed(this.content);
    const { slots, rows } = this.content.statement;
    return { detail: `${slots.length} slots, ${rows.length} rows, well formed` };
  }

  private rangesAndRows(): Outcome {
    const { statement, commitments, proof, domain } = this.content;
    if (this.layout === undefined || this.read === undefined) throw new Error("checks run in order");
    demand(proof.length === proofBytes(this.layout, commitments.length), CODES.BAD_LENGTH);
    const sigmas = new Map(statement.shortfalls);
    this.accounts = commitments.map(([account, encoded], index) => {
      this.progress.share?.((0.3 * index) / commitments.length);
      return { account, sigma: sigmas.get(account) ?? 0n, encoded, point: point1(encoded) };
    });
    this.domain = new Domain(domain);
    const linear = { layout: this.layout, context: commitmentsRoot(this.read), accounts: this.accounts };
    this.transcript = verifyLinear(linear, proof, (share) => this.progress.share?.(0.3 + 0.6 * share));
    return { detail: `every slot and row of ${commitments.length} accounts lies in its range` };
  }

  private matchedBook(): Outcome {
    const { statement, book } = this.content;
    const [domain, transcript] = this.proven();
    verifyBook(statement, this.accounts, domain, book, transcript);
    const count = publicSlots(statement).length;
    return { detail: `holdings sum to the public total in each of ${count} slots, to zero in every instrument` };
  }

  private proven(): [Domain, Transcript] {
    if (this.domain === undefined || this.transcript === undefined) throw new Error("checks run in order");
    return [this.domain, this.transcript];
  }

  private reserves(): Outcome {
    demandReserves(this.content.statement);
    const { statement } = this.content;
    const lacks = lacking(statement);
    const whole = statement.custody.length - lacks.length;
    return { detail: [`${whole} custody balances cover what the ledger owes`, ...lacks].join("; ") };
  }

  private custody(): Outcome {
    const { statement, custody } = this.content;
    this.assurances = verifyCustody(statement, custody);
    const count = (wanted: Assurance): number => this.assurances.filter((found) => found === wanted).length;
    const proven = count("proven");
    const all = this.assurances.length;
    const open = [
      ...(count("counters_proven") > 0 ? [`${count("counters_proven")} by the vault's counters alone`] : []),
      ...(count("attested") > 0 ? [`${count("attested")} attested by the quorum and not proven`] : []),
    ];
    const detail = [`${proven} of ${all} custody balances proven by the chains' states`, ...open].join(", ");
    return { detail, complete: proven === all };
  }

  private cover(): Outcome {
    const [domain, transcript] = this.proven();
    const tested = verifyCover(this.content, this.accounts, domain, transcript);
    if (!tested) return { detail: "no stress scenarios: the default fund is not tested", complete: false };
    const terms = this.content.statement.cover[0];
    const members = new Set(terms?.members.map(([, member]) => member)).size;
    const names = slotsOf(this.content.statement, UNCOVERED).map((slot) => this.content.statement.slots[slot]?.name ?? "");
    const short = (terms?.deficits ?? []).flatMap((deficit, index) => {
      return deficit === 0n ? [] : [`short by ${deficit} in ${(names[index] ?? "").replace(/^uncovered:/, "")}`];
    });
    return {
      detail:
        `fund of ${terms?.fund} micros, held by account ${terms?.fund_account}, of ${members} members, in ` +
        `${terms?.deficits.length} stress scenarios: ` +
        (short.length > 0 ? short.join("; ") : "covers what its two largest members lack"),
    };
  }

  private house(): Outcome {
    const [, transcript] = this.proven();
    const found = verifyHouse(this.content, this.accounts, transcript);
    this.houseMissing = found !== "shown";
    if (found === "nothing") return { detail: "the house has no account here", complete: false };
    if (found === "missing") {
      return { detail: "not proven: the house may owe cash, within the limit that every account has", complete: false };
    }
    return { detail: `account 0 owes nothing in ${cashSlots(this.content)} currencies` };
  }

  private rules(): Outcome {
    const { statement, header } = this.content;
    this.book = verifyRules(statement, header);
    return {
      detail:
        `${statement.rows.length} rows are those of ${this.book.instruments.length} instruments and ` +
        `${statement.prices.length} prices under the stated parameters`,
    };
  }

  private inclusion(): Outcome {
    const [domain] = this.proven();
    const { own } = this.trusted;
    if (own === undefined) throw new Error("no own account");
    verifyInclusion(this.content, own, domain);
    return { detail: `account ${own.account} is in the list with exactly these holdings` };
  }
}

function judge(name: CheckName, step: () => Outcome): Check {
  const meaning = MEANINGS[name];
  try {
    const { detail, complete = true } = step();
    return { name, ok: true, complete, detail: visible(detail), meaning, code: "" };
  } catch (error) {
    // What is no refusal is a limit of the machine or a defect: the check has not passed in either case.
    const refusal = error instanceof Refusal ? error : undefined;
    const code = refusal === undefined ? "" : refusal.code.slice(0, 6) + refusal.code.slice(6).toLowerCase();
    const about = refusal?.about ?? (error instanceof Error ? `this program failed: ${error.message}` : "this program failed");
    return { name, ok: false, complete: true, detail: visible([code, about].filter((t) => t !== "").join(": ")), meaning, code };
  }
}
