/** EIP-712 typed data in the network's domain, as docs/specification/signing.md says. `network` is its id, 32 bytes. */
import { DOMAIN } from "../build/generated.js";
import { concat, hex, keccak256, utf8, word } from "./bytes.js";

export type Value = bigint | boolean | Uint8Array;
/** The parameter of `eth_signTypedData_v4`. */
export interface TypedData {
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: string;
  readonly domain: { readonly name: string; readonly version: string; readonly salt: string };
  readonly message: Readonly<Record<string, string | boolean>>;
}

/** Type and name of each field of a declaration. */
export function fieldsOf(declaration: string): readonly { readonly type: string; readonly name: string }[] {
  return declaration.slice(declaration.indexOf("(") + 1, -1).split(",").map((each) => {
    const [type = "", name = ""] = each.split(" ");
    return { name, type };
  });
}

export function separator(network: Uint8Array): Uint8Array {
  const names = [DOMAIN.type, DOMAIN.name, DOMAIN.version].map((each) => keccak256(utf8(each)));
  return keccak256(concat(...names, network));
}

export function structHash(declaration: string, values: readonly Value[]): Uint8Array {
  const fields = fieldsOf(declaration);
  if (fields.length !== values.length) throw new RangeError("another number of values than is declared");
  return keccak256(concat(keccak256(utf8(declaration)), ...values.map(abiWord)));
}

export function digest(network: Uint8Array, declaration: string, values: readonly Value[]): Uint8Array {
  return keccak256(concat(new Uint8Array([0x19, 0x01]), separator(network), structHash(declaration, values)));
}

/** For a wallet. Numbers are decimal text: JavaScript would round them. */
export function forWallet(network: Uint8Array, declaration: string, values: readonly Value[]): TypedData {
  const name = declaration.slice(0, declaration.indexOf("("));
  const message = fieldsOf(declaration).map((field, at) => [field.name, shown(values[at] as Value)] as const);
  return {
    types: { EIP712Domain: fieldsOf(DOMAIN.type), [name]: fieldsOf(declaration) },
    primaryType: name,
    domain: { name: DOMAIN.name, version: DOMAIN.version, salt: `0x${hex(network)}` },
    message: Object.fromEntries(message),
  };
}

function abiWord(value: Value): Uint8Array {
  if (value instanceof Uint8Array) return concat(new Uint8Array(32 - value.length), value);
  return word(typeof value === "boolean" ? (value ? 1n : 0n) : value);
}

function shown(value: Value): string | boolean {
  if (typeof value === "boolean") return value;
  return value instanceof Uint8Array ? `0x${hex(value)}` : value.toString();
}
