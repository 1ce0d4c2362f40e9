import { keccak_256 } from "@noble/hashes/sha3.js";
import { big, type Bytes, equal, hex, join, number } from "./bytes.js";
import { at, CODES, demand } from "./errors.js";
import { encodedLength, isList, type Item, readRlp } from "./rlp.js";
import { type BlockEvidence, type CustodyTerm, type RiskStatement } from "./schema.js";

/** Storage proofs of custody: docs/specification/custody.md. */
export type Assurance = "attested" | "counters_proven" | "proven";

const unproven = CODES.CUSTODY_NOT_PROVEN;
const pad = (address: Bytes): Bytes => join(new Uint8Array(12), address);
const blockKey = (chain: bigint, hash: Bytes): string => `${chain}:${hex(hash)}`;

export function verifyCustody(statement: RiskStatement, evidence: readonly BlockEvidence[]): Assurance[] {
  const places = new Map<string, number[]>();
  statement.custody.forEach((term, index) => {
    const key = blockKey(term.chain_id, term.block_hash);
    places.set(key, [...(places.get(key) ?? []), index]);
  });
  const order = [...places.keys()];
  const assurances = statement.custody.map((): Assurance => "attested");
  let last = -1;
  for (const block of evidence) {
    const key = blockKey(block.chain_id, keccak_256(block.header));
    const place = order.indexOf(key);
    demand(place > last, CODES.CUSTODY_STRAY, key);
    last = place;
    const terms = places.get(key) ?? [];
    const read = new Block(block);
    for (const index of terms) {
      const term = at(statement.custody, index);
      const answer = read.term(term);
      const differs = CODES.CUSTODY_DIFFERS;
      demand(read.number === term.block_number, differs, "block_number");
      demand(answer.deposited === number(term.deposited), differs, "deposited");
      demand(answer.withdrawn === number(term.withdrawn), differs, "withdrawn");
      demand(answer.balance === undefined || answer.balance === number(term.balance), differs, "balance");
      assurances[index] = answer.balance === undefined ? "counters_proven" : "proven";
    }
    demand(read.allUsed(), unproven, "a node that is not needed");
  }
  return assurances;
}

/** Seconds of Unix time at which a header dates its block; 0 where it states no number of at most 8 bytes. */
export function blockTime({ header }: BlockEvidence): bigint {
  const items = readRlp(header);
  const time = isList(items) ? items[11] : undefined;
  return time === undefined || isList(time) || time.length > 8 ? 0n : number(time);
}

interface Account {
  readonly balance: bigint;
  readonly storage: Bytes;
}

/** The header and nodes of one block, asked for in the order of first use. */
class Block {
  readonly number: bigint;
  private readonly root: Bytes;
  private readonly seen = new Map<string, Item>();
  private readonly accounts = new Map<string, Account>();
  private next = 0;

  constructor(private readonly evidence: BlockEvidence) {
    const header = readRlp(evidence.header);
    demand(isList(header) && header.length >= 15 && header.length <= 64, unproven, "header");
    this.root = leafBytes(at(header, 3), 32, 32);
    this.number = number(leafBytes(at(header, 8), 0, 8));
  }

  allUsed(): boolean {
    return this.next === this.evidence.nodes.length;
  }

  term(term: CustodyTerm): { deposited: bigint; withdrawn: bigint; balance: bigint | undefined } {
    const vault = this.account(term.vault);
    const counter = (slot: number): bigint => this.word(vault, keccak_256(join(pad(term.token), big(slot))));
    const deposited = counter(9);
    const withdrawn = counter(10);
    return { deposited, withdrawn, balance: this.balance(term, vault) };
  }

  private balance(term: CustodyTerm, vault: Account): bigint | undefined {
    if (term.token.every((byte) => byte === 0)) return vault.balance;
    const { order, slot, bits } = term.balances;
    if (order === 0) return undefined;
    const key = order === 1 ? join(pad(term.vault), slot) : join(slot, pad(term.vault));
    return this.word(this.account(term.token), keccak_256(key)) % (1n << BigInt(bits));
  }

  private account(address: Bytes): Account {
    const known = this.accounts.get(hex(address));
    if (known !== undefined) return known;
    const raw = this.lookup(this.root, address);
    demand(raw !== undefined, unproven, "an account does not exist");
    const item = readRlp(raw);
    demand(isList(item) && item.length === 4, unproven, "account");
    leafBytes(at(item, 0), 0, 32);
    const account = { balance: number(leafBytes(at(item, 1), 0, 32)), storage: leafBytes(at(item, 2), 32, 32) };
    leafBytes(at(item, 3), 32, 32);
    this.accounts.set(hex(address), account);
    return account;
  }

  private word(account: Account, key: Bytes): bigint {
    const raw = this.lookup(account.storage, key);
    if (raw === undefined) return 0n;
    const value = leafBytes(readRlp(raw), 1, 32);
    demand(at(value, 0) !== 0, unproven, "a word begins with 0");
    return number(value);
  }

  private node(hash: Bytes): Item {
    const key = hex(hash);
    const known = this.seen.get(key);
    if (known !== undefined) return known;
    const raw = this.evidence.nodes[this.next];
    demand(raw !== undefined && equal(keccak_256(raw), hash), unproven, "a node is missing");
    this.next += 1;
    const item = readRlp(raw);
    demandShape(item);
    this.seen.set(key, item);
    return item;
  }

  private lookup(root: Bytes, key: Bytes): Bytes | undefined {
    if (equal(root, keccak_256(Uint8Array.of(0x80)))) return undefined;
    const path = [...keccak_256(key)].flatMap((byte) => [byte >> 4, byte & 15]);
    let reference: Item = root;
    for (;;) {
      let node: Item = reference;
      if (!isList(reference)) {
        demand(reference.length === 32, unproven, "reference");
        node = this.node(reference);
      }
      demand(isList(node), unproven, "a node is a list");
      const [next, done] = step(node, path);
      if (next === undefined) return undefined;
      if (done) return leafBytes(next, 1, Infinity);
      reference = next;
    }
  }
}

/** Demand that all of a node has the shape of one, whether or not it lies on the path that is followed. */
function demandShape(node: Item): asserts node is readonly Item[] {
  demand(isList(node) && (node.length === 17 || node.length === 2), unproven, "node");
  if (node.length === 17) {
    node.slice(0, 16).forEach((item) => demand(item.length === 0 && !isList(item) || reference(item), unproven, "branch"));
    demand(!isList(at(node, 16)), unproven, "value of a branch");
    return;
  }
  const { leaf } = pathOf(node);
  const value = at(node, 1);
  demand(leaf ? !isList(value) && value.length > 0 : reference(value), unproven, "value or reference");
}

/** Whether an item refers to a node: by its hash, or as a node of at most 31 bytes that lies inside. */
function reference(item: Item): boolean {
  if (!isList(item)) return item.length === 32;
  demandShape(item);
  return encodedLength(item) <= 31;
}

/** The compact path of a node of two items. */
function pathOf(node: readonly Item[]): { leaf: boolean; nibbles: number[] } {
  const compact = at(node, 0);
  demand(!isList(compact) && compact.length > 0, unproven, "path");
  const nibbles = [...compact].flatMap((byte) => [byte >> 4, byte & 15]);
  const flag = nibbles.shift() ?? 0;
  demand(flag <= 3, unproven, "flag");
  if (flag % 2 === 0) demand(nibbles.shift() === 0, unproven, "padding of a path");
  demand(flag >= 2 || nibbles.length > 0, unproven, "path of an extension");
  return { leaf: flag >= 2, nibbles };
}

/** One node of a path, which it shortens: the next reference, or a value with `true`, or undefined if it is absent. */
function step(node: readonly Item[], path: number[]): [Item | undefined, boolean] {
  if (node.length === 17) {
    const nibble = path.shift();
    const item = at(node, nibble ?? 16);
    return [item.length === 0 && !isList(item) ? undefined : item, nibble === undefined];
  }
  const { leaf, nibbles } = pathOf(node);
  const begins = nibbles.length <= path.length && nibbles.every((nibble, index) => nibble === path[index]);
  if (leaf) return begins && nibbles.length === path.length ? [at(node, 1), true] : [undefined, true];
  if (!begins) return [undefined, false];
  path.splice(0, nibbles.length);
  return [at(node, 1), false];
}

function leafBytes(item: Item, least: number, most: number): Bytes {
  demand(!isList(item) && item.length >= least && item.length <= most, unproven, "bytes are expected");
  return item;
}
