import { fromHex } from "./bytes.js";
import { type Freshness } from "./freshness.js";
import { type OwnAccount } from "./inclusion.js";

/** What the page's fields say. */
export class Wrong extends Error {}

export function part<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page lacks ${id}`);
  return found as E;
}

export const field = (id: string): string => part<HTMLInputElement>(id).value.trim();

export function bytesOf(id: string, name: string, length: number): Uint8Array | undefined {
  const text = field(id);
  if (text === "") return undefined;
  const bytes = fromHex(text);
  if (bytes?.length !== length) throw new Wrong(`${name} has ${2 * length} hexadecimal digits.`);
  return bytes;
}

function numberOf(id: string, name: string): bigint | undefined {
  const text = field(id);
  if (text === "") return undefined;
  if (!/^\d{1,19}$/.test(text)) throw new Wrong(`${name} is a whole number.`);
  return BigInt(text);
}

function holdings(): Map<string, bigint> {
  const text = field("holdings");
  const lines = text.startsWith("{")
    ? text.replace(/^\{|\}$/g, "").split(/,|\n/).map((line) => line.replace(/^\s*"(.*)"\s*:\s*"?(-?\d+)"?\s*$/, "$1 $2"))
    : text.split("\n");
  const out = new Map<string, bigint>();
  for (const line of lines.map((each) => each.trim()).filter((each) => each !== "")) {
    const found = /^(.+?)[\s:=]+(-?\d{1,20})$/.exec(line);
    if (found?.[1] === undefined || found[2] === undefined) throw new Wrong(`This line of holdings has no amount: ${line}`);
    if (out.has(found[1])) throw new Wrong(`Holdings name ${found[1]} twice.`);
    out.set(found[1], BigInt(found[2]));
  }
  return out;
}

export function ownAccount(): OwnAccount | undefined {
  const account = numberOf("account", "The account number");
  if (account === undefined) {
    if (field("seed") !== "" || field("holdings") !== "") throw new Wrong("Give the number of your account.");
    return undefined;
  }
  const seed = bytesOf("seed", "The seed", 32);
  const owner = bytesOf("owner", "The owner's address", 20);
  if (seed === undefined || owner === undefined) throw new Wrong("Your account needs its seed and its owner's address.");
  return { account, owner, seed, holdings: holdings() };
}

/** Judged now. */
export function freshness(): Freshness {
  const hours = field("age");
  if (!/^(\d{1,7}(\.\d{1,3})?)?$/.test(hours)) throw new Wrong("The largest age is a number of hours.");
  const known = field("known");
  const at = known === "" ? undefined : Date.parse(`${known}Z`);
  if (at !== undefined && !Number.isFinite(at)) throw new Wrong("The time at which you last knew the set is a date and a time.");
  return {
    now: BigInt(Date.now()),
    maxAge: hours === "" ? "any" : BigInt(Math.round(Number(hours) * 3600000)),
    minHeight: numberOf("height", "The least height"),
    setKnown: at === undefined ? undefined : BigInt(at),
  };
}

export async function genesisFile(): Promise<ArrayBuffer | undefined> {
  const file = part<HTMLInputElement>("genesis").files?.[0];
  if (file === undefined) return undefined;
  if (file.size > 1 << 22) throw new Wrong("A genesis file has at most 4,194,304 bytes.");
  if (field("network") !== "") throw new Wrong("The genesis names the network: leave the network's id empty.");
  return file.arrayBuffer();
}
