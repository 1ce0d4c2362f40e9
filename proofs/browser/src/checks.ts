import { Domain } from "./basis.js";
import { type Bytes, equal, hex } from "./bytes.js";
import { demandFinal, goodSet } from "./certificate.js";
import { type Assurance, blockTime, verifyCustody } from "./custody.js";
import { CODES, demand } from "./errors.js";
import { demandFresh, outsideOfAge } from "./freshness.js";
import { verifyBook, verifyCover, verifyHouse } from "./further.js";
import { demandListed } from "./genesis.js";
import { verifyInclusion } from "./inclusion.js";
import { point1 } from "./group.js";
import { publicSlots, slotsOf, UNCOVERED } from "./kinds.js";
import { type Layout } from "./layout.js";
import { proofBytes, type ProvenAccount, verifyLinear } from "./linear.js";
import { commitmentsRoot, demandEpochNumber, type ReadPackage, readPackage } from "./package.js";
import { type Rulebook } from "./rulebook.js";
import { ofSettledFeeds, verifyRules } from "./rules.js";
import { demandSizes } from "./sizes.js";
import { demandReserves, demandWellFormed } from "./statement.js";
import { type Progress, type Trusted } from "./trusted.js";
import { type Transcript } from "./transcript.js";
import { type Outcome } from "./verdict.js";
import { cashSlots, lacking } from "./words.js";

/** The checks of one package: each is a method that returns its result in words, or throws a Refusal. Later ones use what
 * earlier ones computed. */
export class PackageChecks {
  protected read: ReadPackage | undefined;
  protected layout: Layout | undefined;
  protected accounts: ProvenAccount[] = [];
  protected transcript: Transcript | undefined;
  protected domain: Domain | undefined;
  protected assurances: Assurance[] = [];
  protected book: Rulebook | undefined;
  protected houseMissing = false;


  constructor(
    protected readonly file: Bytes,
    protected readonly trusted: Trusted,
    protected readonly progress: Progress,
  ) {}

  protected get content(): ReadPackage["content"] {
    if (this.read === undefined) throw new Error("checks run in order");
    return this.read.content;
  }

  protected encoding(): Outcome {
    this.read = readPackage(this.file);
    return { detail: `${this.file.length} bytes, canonical` };
  }

  protected certificate(): Outcome {
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

  protected sizes(): Outcome {
    demandSizes(this.content);
    return { detail: `the proofs have the lengths that ${this.content.commitments.length} accounts demand` };
  }

  protected freshness(): Outcome {
    const { header, statement } = this.content;
    if (this.trusted.freshness === undefined) throw new Error("no time is stated");
    return { detail: demandFresh(header, statement, this.trusted.freshness) };
  }

  protected roots(): Outcome {
    const { header, statement, commitments } = this.content;
    if (this.read !== undefined) {
      demand(equal(commitmentsRoot(this.read), header.commitments_root), CODES.WRONG_ROOT, "commitments root");
    }
    const before = statement.height === header.commitments_height && statement.height < header.height;
    demand(before, CODES.WRONG_ROOT, "height");
    demand(equal(statement.network, header.network), CODES.WRONG_NETWORK);
    demand(statement.epoch === header.epoch, CODES.EPOCH_DIFFERS);
    demandEpochNumber(statement);
    const different = new Set(commitments.items().map(([, commitment]) => hex(commitment)));
    demand(different.size === commitments.length, CODES.COMMITMENTS_EQUAL);
    return { detail: `${commitments.length} commitments and the statement are the certified ones` };
  }

  protected statement(): Outcome {
    this.layout = demandWellFormed(this.content);
    const { slots, rows } = this.content.statement;
    return { detail: `${slots.length} slots, ${rows.length} rows, well formed` };
  }

  protected rangesAndRows(): Outcome {
    const { statement, commitments, proof, domain } = this.content;
    if (this.layout === undefined || this.read === undefined) throw new Error("checks run in order");
    demand(proof.length === proofBytes(this.layout, commitments.length), CODES.BAD_LENGTH);
    const sigmas = new Map(statement.shortfalls);
    this.accounts = commitments.items().map(([account, encoded], index) => {
      this.progress.share?.((0.3 * index) / commitments.length);
      return { account, sigma: sigmas.get(account) ?? 0n, encoded, point: point1(encoded) };
    });
    this.domain = new Domain(domain);
    const linear = { layout: this.layout, context: commitmentsRoot(this.read), accounts: this.accounts };
    this.transcript = verifyLinear(linear, proof, (share) => this.progress.share?.(0.3 + 0.6 * share));
    return { detail: `every slot and row of ${commitments.length} accounts lies in its range` };
  }

  protected matchedBook(): Outcome {
    const { statement, book } = this.content;
    const [domain, transcript] = this.proven();
    verifyBook(statement, this.accounts, domain, book, transcript);
    const count = publicSlots(statement).length;
    return { detail: `holdings sum to the public total in each of ${count} slots, to zero in every instrument` };
  }

  protected proven(): [Domain, Transcript] {
    if (this.domain === undefined || this.transcript === undefined) throw new Error("checks run in order");
    return [this.domain, this.transcript];
  }

  protected reserves(): Outcome {
    demandReserves(this.content.statement);
    const { statement } = this.content;
    const lacks = lacking(statement);
    const whole = statement.custody.length - lacks.length;
    return { detail: [`${whole} custody balances cover what the ledger owes`, ...lacks].join("; ") };
  }

  protected custody(): Outcome {
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
    const { genesis } = this.trusted;
    if (genesis !== undefined) demandListed(statement, genesis);
    const listed = genesis === undefined ? "" : "; vaults, tokens and units are those of genesis";
    const missed = outsideOfAge(custody.map(blockTime), this.trusted.freshness);
    return { detail: detail + listed + missed, complete: proven === all && missed === "" };
  }

  protected cover(): Outcome {
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

  protected house(): Outcome {
    const [, transcript] = this.proven();
    const found = verifyHouse(this.content, this.accounts, transcript);
    this.houseMissing = found !== "shown";
    if (found === "nothing") return { detail: "the house has no account here", complete: false };
    if (found === "missing") {
      return { detail: "not proven: the house may owe cash, within the limit that every account has", complete: false };
    }
    return { detail: `account 0 owes nothing in ${cashSlots(this.content)} currencies` };
  }

  protected rules(): Outcome {
    const { statement, header } = this.content;
    const { genesis, network } = this.trusted;
    this.book = verifyRules(statement, header, genesis, network);
    const settled = ofSettledFeeds(this.book);
    const under = genesis === undefined ? "stated" : "genesis'";
    const rows = `${statement.rows.length} rows are those of ${this.book.instruments.length} instruments`;
    return { detail: `${rows} and ${statement.prices.length} prices under the ${under} parameters${settled}`, complete: settled === "" };
  }

  protected inclusion(): Outcome {
    const [domain] = this.proven();
    const { own } = this.trusted;
    if (own === undefined) throw new Error("no own account");
    verifyInclusion(this.content, own, domain);
    return { detail: `account ${own.account} is in the certified list with exactly these holdings` };
  }
}
