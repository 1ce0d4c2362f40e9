import { type Bytes, equal, H, hex, join, number, smaller } from "./bytes.js";
import { headerHash } from "./certificate.js";
import { at, Refusal } from "./errors.js";
import { demandInForce, setLimits } from "./freshness.js";
import { blindedMessages } from "./messages.js";
import { readPackage, type ReadPackage } from "./package.js";
import { inEpochs, type Movement, movements, unexplained } from "./transition.js";
import { type Progress, type Trusted } from "./trusted.js";
import { type CheckName, printed, type Verdict } from "./verdict.js";
import { verifyRead } from "./verify.js";
import { visible } from "./visible.js";

/** Several packages of one network together: docs/specification/history.md. */
export interface Finding {
  /** Such as "R0734 epoch_missing". */
  readonly code: string;
  readonly files: readonly string[];
  readonly detail: string;
}

export interface FileResult {
  readonly name: string;
  readonly ok: boolean;
  readonly failed: CheckName | "";
  readonly detail: string;
  readonly epoch: string;
  readonly height: string;
  /** Whether its validator set leads from the trusted one, so that its signatures count. */
  readonly linked: boolean;
  /** Checks that are open, but for the certificate: whom to trust, the links say. */
  readonly open: readonly CheckName[];
  /** Values of a good package that are the quorum's word, by name, as its own verdict lists them. */
  readonly attested: Readonly<Record<string, string>>;
}

export interface HistoryVerdict {
  readonly ok: boolean;
  readonly files: readonly FileResult[];
  readonly findings: readonly Finding[];
  /** Epochs with a good package of a linked set, rising. */
  readonly epochs: readonly string[];
  /** How the claims on each token moved from one package to the next. */
  readonly movements: readonly Movement[];
  readonly notProven: readonly string[];
  /** Checks that are open of some good package, and first `anchor` where network or validator set is the files' own word. */
  readonly open: readonly string[];
}

interface Entry {
  readonly index: number;
  readonly name: string;
  readonly hash: string;
  readonly read: ReadPackage;
  readonly stated: boolean;
  readonly good: boolean;
}

const CODES = {
  reused: "R0714 blinders_reused",
  network: "R0715 wrong_network",
  equivocation: "R0730 equivocation",
  unlinked: "R0731 set_not_linked",
  backwards: "R0732 history_backwards",
  conflict: "R0733 chain_conflict",
  missing: "R0734 epoch_missing",
} as const;

/** Add packages in any order, then ask for the verdict. */
export class History {
  private readonly results: Omit<FileResult, "linked">[] = [];
  private readonly entries: Entry[] = [];
  private readonly findings: Finding[] = [];
  private readonly seen = new Map<string, { label: string; name: string }>();
  private readonly roots = new Set<string>();
  private readonly proofs = new Set<string>();
  private network: Bytes | undefined;

  /** Changes of sets that a certified header names, and the sets that follow, once packages were looked at. */
  private changes: Map<string, Set<string>> | undefined;
  private readonly reached = new Set<string>();

  /** Of what is trusted, the age is not judged: a history is old by nature. But the trusted set must have been in force
   * within its trusting period: one that has retired can sign another history. */
  constructor(private readonly trusted: Pick<Trusted, "network" | "validatorsHash" | "genesis" | "freshness"> = {}) {
    this.network = trusted.network;
    if (trusted.validatorsHash !== undefined) this.reached.add(hex(trusted.validatorsHash));
  }

  private note(code: string, files: readonly string[], detail: string): void {
    this.findings.push({ code, files: files.map(visible), detail: visible(detail) });
  }

  /** Look at a package before any is added, so that sets are known whatever the order. Once this was called, a package whose
   * set does not follow from the trusted one is checked no further than its certificate. */
  survey(file: Bytes): void {
    if (this.trusted.validatorsHash === undefined) return;
    const changes = (this.changes ??= new Map<string, Set<string>>());
    const { header } = peek(file)?.content ?? {};
    if (header === undefined || equal(header.validators_hash, header.next_validators_hash)) return;
    const { verdict } = verifyRead(file, { network: this.network }, {}, "certificate");
    if (!verdict.checks.some(({ name, ok }) => name === "certificate" && ok)) return;
    const before = hex(header.validators_hash);
    const after = hex(header.next_validators_hash);
    changes.set(before, (changes.get(before) ?? new Set<string>()).add(after));
    if (this.reached.has(before)) this.follow(after);
  }

  /** Note that a set follows, and what follows from it: each change once, in whatever order they come. */
  private follow(set: string): void {
    const fresh = [set];
    for (let next = fresh.pop(); next !== undefined; next = fresh.pop()) {
      if (this.reached.has(next)) continue;
      this.reached.add(next);
      fresh.push(...(this.changes?.get(next) ?? []));
    }
  }

  /** Whether a package is of a set that does not follow from the trusted one. */
  private isStrange(file: Bytes): boolean {
    if (this.changes === undefined) return false;
    const header = peek(file)?.content.header;
    return header !== undefined && !this.reached.has(hex(header.validators_hash));
  }

  add(name: string, file: Bytes, progress: Progress = {}): Verdict {
    const strange = this.isStrange(file);
    const asked = strange ? { network: this.network } : { genesis: this.trusted.genesis };
    const { verdict, read } = verifyRead(file, asked, progress, strange ? "certificate" : undefined);
    const last = at(verdict.checks, verdict.checks.length - 1);
    const good = verdict.ok && !strange;
    this.results.push({
      name: visible(name),
      ok: good,
      failed: verdict.refusal?.check ?? (strange ? last.name : ""),
      detail: good ? `${verdict.checks.length} checks passed` : verdict.ok ? STRANGE : last.detail,
      epoch: verdict.epoch,
      height: verdict.height,
      open: verdict.checks.flatMap((check) => (check.complete || check.name === "certificate" ? [] : [check.name])),
      attested: good ? verdict.attested : {},
    });
    if (!verdict.ok) this.note(last.code, [name], `${last.name}: ${last.detail}`);
    const passed = (wanted: CheckName): boolean => verdict.checks.some((check) => check.name === wanted && check.ok);
    if (read === undefined || !passed("certificate")) return verdict;
    const { header } = read.content;
    this.network ??= header.network;
    if (!equal(header.network, this.network)) {
      this.note(CODES.network, [name], `network ${hex(header.network)}`);
      return verdict;
    }
    const index = this.results.length - 1;
    this.entries.push({ index, name, hash: hex(headerHash(header)), read, stated: passed("roots"), good });
    if (good) this.compareBlinders(name, read);
    return verdict;
  }

  /** A file that could not even be read. */
  unreadable(name: string, why: string): void {
    this.results.push({ name: visible(name), ok: false, failed: "encoding", detail: visible(why), epoch: "", height: "", open: [], attested: {} });
    this.note("R0102 malformed", [name], why);
  }

  verdict(): HistoryVerdict {
    const before = this.findings.length;
    const order = (left: Entry, right: Entry): number => {
      const [a, b] = [left.read.content.header.height, right.read.content.header.height];
      return a !== b ? (a < b ? -1 : 1) : left.name < right.name ? -1 : left.name > right.name ? 1 : 0;
    };
    const linked = this.link([...this.entries].sort(order));
    const stated = linked.filter((entry) => entry.stated);
    const good = stated.filter((entry) => entry.good);
    this.equivocations(linked);
    this.backwards(linked);
    this.conflicts(stated);
    this.gaps(good);
    const proven = inEpochs(good.map(({ name, read }) => ({ name, content: read.content })));
    for (const { code, files, detail } of unexplained(proven, this.trusted.genesis?.limits)) this.note(code, files, detail);
    const trust = this.judgeTrust(linked);
    const believed = new Set(linked.map(({ index }) => index));
    const epochs = [...new Set(good.map(({ read }) => read.content.statement.epoch))].sort((a, b) => (a < b ? -1 : 1));
    const verdict = {
      ok: epochs.length > 0 && this.findings.length === 0,
      files: this.results.map((result, index) => ({ ...result, linked: believed.has(index) })),
      findings: [...this.findings],
      epochs: epochs.map(String),
      movements: movements(proven),
      notProven: limits(epochs[0], trust),
      open: this.openChecks(),
    };
    this.findings.length = before;
    return verdict;
  }

  private openChecks(): string[] {
    const { network, validatorsHash } = this.trusted;
    const named = new Set(this.results.flatMap(({ ok, open }) => (ok ? open : [])));
    return [...(network === undefined || validatorsHash === undefined ? ["anchor"] : []), ...[...named].sort()];
  }

  /** A finding if the trusted set was last known to be in force too long ago; what is left to the caller. */
  private judgeTrust(linked: readonly Entry[]): string[] {
    const { validatorsHash, freshness } = this.trusted;
    if (validatorsHash === undefined) return ["The first package's validator set is its own; compare its hash with one that you trust."];
    try {
      if (freshness !== undefined) demandInForce(freshness);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.note(printed(error.code), linked.slice(0, 1).map(({ name }) => name), error.about);
    }
    return setLimits(freshness, true);
  }

  private link(entries: readonly Entry[]): Entry[] {
    const linked: Entry[] = [];
    for (const entry of entries) {
      const { header } = entry.read.content;
      const last = linked[linked.length - 1];
      const before = last?.read.content.header;
      const expected = before === undefined
        ? (this.trusted.validatorsHash ?? header.validators_hash)
        : header.height > before.height ? before.next_validators_hash : before.validators_hash;
      if (equal(header.validators_hash, expected)) {
        linked.push(entry);
        continue;
      }
      const label = `validator set ${hex(header.validators_hash).slice(0, 16)}… of height ${header.height}`;
      if (last === undefined || before === undefined) this.note(CODES.unlinked, [entry.name], `${label} is not the trusted one`);
      else {
        const follows = `the one that follows height ${before.height}, ${hex(expected).slice(0, 16)}…`;
        this.note(CODES.unlinked, [last.name, entry.name], `${label} is not ${follows}`);
      }
    }
    return linked;
  }

  private equivocations(entries: readonly Entry[]): void {
    const first = new Map<string, Entry>();
    const once = (what: string, of: (entry: Entry) => string, entry: Entry): void => {
      const known = first.get(what);
      if (known === undefined) first.set(what, entry);
      else if (of(known) !== of(entry)) this.note(CODES.equivocation, [known.name, entry.name], what + bothSigned(known, entry));
    };
    const root = ({ read }: Entry): string => hex(read.content.header.commitments_root);
    for (const entry of entries) {
      const { header, statement } = entry.read.content;
      once(`two headers of height ${header.height}`, ({ hash }) => hash, entry);
      once(`two commitments roots of the snapshot at height ${header.commitments_height}`, root, entry);
      if (entry.stated) once(`two snapshots of epoch ${statement.epoch}`, root, entry);
    }
  }

  private backwards(entries: readonly Entry[]): void {
    const falls = (what: string, earlier: bigint, later: bigint, before: Entry, after: Entry): void => {
      if (later >= earlier) return;
      const [from, to] = [before.read.content.header.height, after.read.content.header.height];
      this.note(CODES.backwards, [before.name, after.name], `${what} goes from ${earlier} at height ${from} to ${later} at height ${to}`);
    };
    entries.slice(1).forEach((after, index) => {
      const before = at(entries, index);
      const [old, young] = [before.read.content.header, after.read.content.header];
      if (old.height === young.height) return;
      for (const [what, name] of [["time_ms", "time_ms"], ["snapshot height", "commitments_height"], ["withdrawals", "withdrawals_count"]] as const) {
        falls(what, old[name], young[name], before, after);
      }
      const cursor = ({ chain_id, vault }: (typeof old.deposit_cursors)[number]): string => `chain ${chain_id}, vault ${hex(vault)}`;
      const later = new Map<string, bigint>(); // the least of a vault that is named twice, or the larger one hides a fall
      for (const each of young.deposit_cursors) later.set(cursor(each), smaller(each.nonce, later.get(cursor(each)) ?? each.nonce));
      for (const each of old.deposit_cursors) {
        falls(`deposit cursor of ${cursor(each)}`, each.nonce, later.get(cursor(each)) ?? -1n, before, after);
      }
      if (old.time_ms === young.time_ms) {
        this.note(CODES.backwards, [before.name, after.name], `the clock stands still between heights ${old.height} and ${young.height}`);
      }
    });
    const latest = new Map<string, { value: bigint; entry: Entry }>();
    for (const entry of entries.filter(({ stated }) => stated)) {
      for (const [what, value] of statedNumbers(entry)) {
        const known = latest.get(what);
        const other = known?.entry.read.content;
        const { header, statement } = entry.read.content;
        if (known !== undefined && other?.header.height !== header.height && other?.statement.epoch !== statement.epoch) {
          falls(what, known.value, value, known.entry, entry);
        }
        latest.set(what, { value, entry });
      }
    }
  }

  private conflicts(entries: readonly Entry[]): void {
    const seen = new Map<string, { hash: string; name: string }>();
    for (const { name, read } of entries) {
      const blocks = read.content.statement.custody.map((term) => {
        return [`block ${term.block_number} of chain ${term.chain_id}`, hex(term.block_hash)] as const;
      });
      for (const [what, hash] of new Map(blocks)) {
        const known = seen.get(what);
        if (known === undefined) seen.set(what, { hash, name });
        else if (known.hash !== hash) this.note(CODES.conflict, [known.name, name], `${what} is ${known.hash} and ${hash}`);
      }
    }
  }

  private gaps(entries: readonly Entry[]): void {
    const names = new Map(entries.map(({ name, read }) => [read.content.statement.epoch, name]));
    const epochs = [...names.keys()].sort((a, b) => (a < b ? -1 : 1));
    epochs.slice(1).forEach((after, index) => {
      const before = at(epochs, index);
      if (after === before + 1n) return;
      const missing = after === before + 2n ? `epoch ${before + 1n}` : `epochs ${before + 1n} to ${after - 1n}`;
      this.note(CODES.missing, [names.get(before) ?? "", names.get(after) ?? ""], `${missing}: no good package`);
    });
  }

  private compareBlinders(name: string, read: ReadPackage): void {
    const once = (label: string, point: Bytes): void => {
      const key = hex(point);
      const known = this.seen.get(key);
      if (known === undefined) this.seen.set(key, { label, name });
      else if (known.label !== label || known.name !== name) {
        this.note(CODES.reused, [known.name, name], `${label} is ${known.label}`);
      }
    };
    const { header, statement, commitments, proof, book } = read.content;
    const root = hex(header.commitments_root);
    if (!this.roots.has(root)) {
      for (const [account, point] of commitments.items()) once(`C_W of account ${account} in epoch ${statement.epoch}`, point);
    }
    this.roots.add(root);
    const digest = hex(H(join(proof, book)));
    if (!this.proofs.has(digest)) for (const [label, point] of blindedMessages(read.content)) once(label, point);
    this.proofs.add(digest);
  }
}

const STRANGE = "nothing was checked but its certificate: its validator set does not follow from the trusted one";

/** A package as it was read, believed by nobody; undefined if it cannot be read. */
function peek(file: Bytes): ReadPackage | undefined {
  try {
    return readPackage(file);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

function bothSigned(left: Entry, right: Entry): string {
  const [a, b] = [left.read.content, right.read.content];
  const both = number(a.certificate.signers) & number(b.certificate.signers);
  const indices = a.validators.validators.flatMap((_, index) => ((both >> BigInt(index)) & 1n ? [index] : []));
  const same = equal(a.header.validators_hash, b.header.validators_hash);
  return same && indices.length > 0 ? `; validators ${indices.join(", ")} signed both` : "";
}

/** Numbers of a statement that only grow, by name. */
function statedNumbers({ read }: Entry): Map<string, bigint> {
  const { statement } = read.content;
  const out = new Map([["epoch", statement.epoch]]);
  for (const { chain_id, block_number } of statement.custody) {
    const what = `custody block of chain ${chain_id}`;
    const known = out.get(what);
    out.set(what, known === undefined || block_number > known ? block_number : known);
  }
  for (const { chain_id, vault, token, block_number, deposited, withdrawn } of statement.custody) {
    const place = `chain ${chain_id}, vault ${hex(vault)}, token ${hex(token)}`;
    out.set(`custody block on ${place}`, block_number); // each token's own: the highest of its chain hides one that falls
    out.set(`deposited on ${place}`, number(deposited));
    out.set(`withdrawn on ${place}`, number(withdrawn));
  }
  return out;
}

function limits(first: bigint | undefined, trust: readonly string[]): string[] {
  const out = [
    "What each package by itself leaves open: see its own verdict. The values that are the validators' word are named with it.",
    "An epoch after the last or before the first of these packages: nothing here proves whether there is one.",
    "Blinders are found reused where commitments or proof messages repeat; a reuse behind a change of holdings is not searched here: `crossclear proof history` searches small changes.",
    "What changed in prices and rules between epochs is not judged, nor which accounts claims moved between: only sums move by certified flows alone.",
    "That a withdrawal which is not paid yet, or came back unpaid, was asked for: it is not among the claims meanwhile. The owner of the account alone can see that, by its leaf.",
    "Claims are held against a genesis's limits of withdrawals between neighbouring epochs under the same limits alone, and across a change of a token's unit its dust may grow to the bound that its deposits set.",
  ];
  out.push(...trust);
  if (first !== undefined && first > 1n) {
    const closed = first === 2n ? "Epoch 1" : `Epochs 1 to ${first - 1n}`;
    out.push(`${closed} closed before the first of these packages, and no good package of it is here.`);
  }
  return out;
}
