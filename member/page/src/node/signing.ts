import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { type Signer } from "./keys";

/** EIP-712 typed data of requests: one flat struct of words, in the domain of one network. */
export interface TypedRequest {
  /** Such as `Withdrawal(uint64 account,…)`. */
  readonly declaration: string;
  /** One value for each declared field, by its name. */
  readonly values: Readonly<Record<string, bigint | string | boolean>>;
}

interface Field {
  readonly name: string;
  readonly type: string;
}

export const DOMAIN_FIELDS: readonly Field[] = [
  { name: "name", type: "string" },
  { name: "version", type: "string" },
  { name: "salt", type: "bytes32" },
];
export const domain = (network: string) => ({ name: "crossclear", version: "1", salt: network });

export const nameOf = (declaration: string): string => declaration.slice(0, declaration.indexOf("("));

export const fieldsOf = (declaration: string): Field[] =>
  declaration.slice(declaration.indexOf("(") + 1, -1).split(",").map((field) => {
    const [type = "", name = ""] = field.split(" ");
    return { name, type };
  });

function word(type: string, value: bigint | string | boolean): Uint8Array {
  if (typeof value === "string") {
    const bytes = hexToBytes(value.replace(/^0x/, ""));
    const out = new Uint8Array(32);
    out.set(bytes, type === "address" ? 12 : 0);
    return out;
  }
  return hexToBytes(BigInt.asUintN(256, BigInt(value)).toString(16).padStart(64, "0"));
}

const hashed = (text: string): Uint8Array => keccak_256(utf8ToBytes(text));

/** The 32 bytes that are signed. */
export function digest(network: string, request: TypedRequest): Uint8Array {
  const { name, version, salt } = domain(network);
  const separator = keccak_256(
    concatBytes(hashed("EIP712Domain(string name,string version,bytes32 salt)"), hashed(name), hashed(version), word("bytes32", salt)),
  );
  const words = fieldsOf(request.declaration).map((field) => {
    const value = request.values[field.name];
    if (value === undefined) throw new TypeError(`no value for ${field.name}`);
    return word(field.type, value);
  });
  return keccak_256(concatBytes(hexToBytes("1901"), separator, keccak_256(concatBytes(hashed(request.declaration), ...words))));
}

const API_REQUEST = "ApiRequest(bytes32 method,bytes32 target,bytes32 body,uint64 timeMs,bytes32 nonce)";

/** The value of the header `Authorization`: a signature over method, target, body, time and a nonce. */
export async function authorization(signer: Signer, network: string, method: string, path: string, body: string): Promise<string> {
  const timeMs = Date.now();
  const nonce = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
  const values = {
    method: bytesToHex(hashed(method)), target: bytesToHex(hashed(path)), body: bytesToHex(hashed(body)), timeMs: BigInt(timeMs), nonce,
  };
  const signature = await signer.sign(network, { declaration: API_REQUEST, values });
  return `Crossclear ${timeMs}:${nonce}:${signature.slice(2)}`;
}
