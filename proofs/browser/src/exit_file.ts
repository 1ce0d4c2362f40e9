import { type Bytes, fromHex } from "./bytes.js";
import { CODES, demand, Refusal } from "./errors.js";
import { BadJson, type Json, readJson } from "./json.js";
import { structure, whole, type Of } from "./messagepack.js";
import { Certificate, Header, ValidatorSet } from "./schema.js";

/** An exit file, `crossclear.exit.v1`: an account's payments at an epoch, and the light block of the height that closed it. */
const FILE_BYTES_MAX = 16 << 20;
const BLOCK_BYTES_MAX = 1 << 17;
const PATH_MAX = 40;
const BUCKET_MAX = 1 << 16;
const LEAVES_MAX = 4096;
const U63 = (1n << 63n) - 1n;
const U32 = (1n << 32n) - 1n;

const LightBlock = structure({ header: Header, certificate: Certificate, validators: ValidatorSet, next_validators: ValidatorSet });
export type LightBlock = Of<typeof LightBlock>;

/** A leaf's place in the tree. */
interface Placed {
  readonly index: bigint;
  readonly path: readonly Bytes[];
}

export interface ExitPayment extends Placed {
  readonly kind: bigint;
  readonly number: bigint;
  readonly chainId: bigint;
  readonly vault: Bytes;
  readonly token: Bytes;
  readonly to: Bytes;
  readonly amount: bigint;
  readonly salt: Bytes;
  readonly notAfter: bigint;
}

export interface ExitTotals extends Placed {
  readonly chainId: bigint;
  readonly vault: Bytes;
  readonly token: Bytes;
  /** As they are hashed: accounts, seniors, counted, deposit cursor, withdrawals. */
  readonly numbers: readonly bigint[];
}

export interface Exit {
  readonly epoch: bigint;
  readonly height: bigint;
  readonly account: bigint;
  readonly root: Bytes;
  readonly count: bigint;
  readonly opening: { readonly salt: Bytes; readonly below: readonly Bytes[]; readonly above: readonly Bytes[]; readonly path: readonly Bytes[] };
  readonly payments: readonly ExitPayment[];
  readonly totals: readonly ExitTotals[];
  readonly block: LightBlock;
}

const KINDS: Readonly<Record<string, bigint>> = { account: 1n, withdrawal: 2n, deposit: 3n, refund: 4n };

/** Throws a Refusal that names the place. */
export function readExit(file: Bytes): Exit {
  demand(file.length <= FILE_BYTES_MAX, CODES.OVERSIZE, `exit file: ${file.length} bytes`);
  const named = new Place(jsonOf(file), "exit file", ["format", "exit", "block"]);
  demand(named.text("format") === "crossclear.exit.v1", CODES.MALFORMED, "exit file: another format");
  const fields = ["epoch", "height", "header_epoch", "account", "exit_root", "opening", "leaf_count", "leaves", "totals"];
  const exit = new Place(named.json("exit"), "exit", fields);
  exit.whole("header_epoch");
  const opening = new Place(exit.json("opening"), "opening", ["salt", "below", "above", "path"]);
  return {
    epoch: exit.whole("epoch"),
    height: exit.whole("height"),
    account: exit.whole("account"),
    root: exit.bytes("exit_root", 32),
    count: exit.whole("leaf_count", U32),
    opening: {
      salt: opening.bytes("salt", 32), below: opening.hashes("below", BUCKET_MAX), above: opening.hashes("above", BUCKET_MAX),
      path: opening.hashes("path", 12),
    },
    payments: exit.list("leaves", LEAVES_MAX).map((each, at) => paymentOf(each, `leaves[${at}]`)),
    totals: exit.list("totals", LEAVES_MAX).map((each, at) => totalsOf(each, `totals[${at}]`)),
    block: blockOf(named.text("block")),
  };
}

function paymentOf(tree: Json, where: string): ExitPayment {
  const fields = ["index", "kind", "number", "chain_id", "vault", "token", "to", "amount", "salt", "not_after_s", "path"];
  const leaf = new Place(tree, where, fields);
  const kind = KINDS[leaf.text("kind")];
  demand(kind !== undefined, CODES.MALFORMED, `${where}.kind`);
  return {
    kind, index: leaf.whole("index"), number: leaf.whole("number"), chainId: leaf.whole("chain_id"),
    vault: leaf.bytes("vault", 20), token: leaf.bytes("token", 20), to: leaf.bytes("to", 20), amount: leaf.amount("amount"),
    salt: leaf.bytes("salt", 32), notAfter: leaf.whole("not_after_s"), path: leaf.hashes("path", PATH_MAX),
  };
}

function totalsOf(tree: Json, where: string): ExitTotals {
  const fields = ["index", "chain_id", "vault", "token", "accounts", "seniors", "counted", "deposit_cursor", "withdrawals_count", "path"];
  const sums = new Place(tree, where, fields);
  return {
    index: sums.whole("index"), chainId: sums.whole("chain_id"), vault: sums.bytes("vault", 20), token: sums.bytes("token", 20),
    numbers: [
      sums.amount("accounts"), sums.amount("seniors"), sums.amount("counted"), sums.whole("deposit_cursor"), sums.whole("withdrawals_count"),
    ],
    path: sums.hashes("path", PATH_MAX),
  };
}

function blockOf(text: string): LightBlock {
  const raw = text.startsWith("0x") ? fromHex(text) : undefined;
  demand(raw !== undefined, CODES.MALFORMED, "block: hexadecimal digits are expected");
  demand(raw.length <= BLOCK_BYTES_MAX, CODES.OVERSIZE, `block: ${raw.length} bytes`);
  const { value, canonical } = whole(LightBlock, raw);
  demand(canonical, CODES.NON_CANONICAL, "block");
  return value;
}

function jsonOf(file: Bytes): Json {
  try {
    return readJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file));
  } catch (error) {
    throw new Refusal(CODES.MALFORMED, `exit file: ${error instanceof BadJson ? error.message : "it is not UTF-8"}`);
  }
}

/** An object that has these fields and no others. */
class Place {
  private readonly fields: ReadonlyMap<string, Json>;

  constructor(tree: Json, private readonly where: string, names: readonly string[]) {
    demand(tree instanceof Map, CODES.MALFORMED, `${where}: an object is expected`);
    this.fields = tree as ReadonlyMap<string, Json>;
    const odd = names.find((name) => !this.fields.has(name)) ?? [...this.fields.keys()].find((name) => !names.includes(name));
    demand(odd === undefined, CODES.MALFORMED, `${where}: ${odd ?? ""} is missing or too many`);
  }

  json(name: string): Json {
    return this.fields.get(name) ?? null;
  }

  text(name: string): string {
    const value = this.json(name);
    this.must(typeof value === "string", name);
    return value;
  }

  whole(name: string, most = U63): bigint {
    const value = this.json(name);
    this.must(typeof value === "bigint" && value >= 0n && value <= most, name);
    return value;
  }

  /** Base units as text. One of 2^256 or more is refused where it is hashed. */
  amount(name: string): bigint {
    const value = this.text(name);
    this.must(/^(0|[1-9][0-9]{0,77})$/.test(value), name);
    return BigInt(value);
  }

  bytes(name: string, length: number): Bytes {
    return this.octets(this.json(name), length, name);
  }

  hashes(name: string, most: number): Bytes[] {
    return this.list(name, most).map((each) => this.octets(each, 32, name));
  }

  list(name: string, most: number): readonly Json[] {
    const value = this.json(name);
    this.must(Array.isArray(value) && value.length <= most, name);
    return value as readonly Json[];
  }

  private octets(value: Json, length: number, name: string): Bytes {
    const found = typeof value === "string" && value.startsWith("0x") ? fromHex(value) : undefined;
    this.must(found?.length === length, name);
    return found ?? new Uint8Array(length);
  }

  private must(good: boolean, name: string): asserts good {
    demand(good, CODES.MALFORMED, `${this.where}.${name}`);
  }
}
