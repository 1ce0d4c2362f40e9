/** Signers: a raw key, or a wallet that is asked and checked; and signatures of requests and of API requests. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { API_REQUEST, type RequestBody } from "../build/generated.js";
import { concat, fromHex, hex, keccak256, utf8 } from "./bytes.js";
import { BadField } from "./errors.js";
import { declarationOf, shapeOf, signedValues } from "./request.js";
import { digest, forWallet, type TypedData, type Value } from "./typed_data.js";

export interface Signer {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** 65 bytes: r, s, v. */
  sign(network: Uint8Array, declaration: string, values: readonly Value[]): Promise<Uint8Array>;
}

/** A secp256k1 secret of 32 bytes in this program. */
export class Key implements Signer {
  readonly address: Uint8Array;
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array | string) {
    this.#secret = typeof secret === "string" ? fromHex(secret, "secret") : secret;
    this.address = addressOf(secp256k1.getPublicKey(this.#secret, false));
  }

  async sign(network: Uint8Array, declaration: string, values: readonly Value[]): Promise<Uint8Array> {
    return this.signDigest(digest(network, declaration, values));
  }

  /** Deterministic (RFC 6979), with s in the lower half. */
  signDigest(data: Uint8Array): Uint8Array {
    const made = secp256k1.sign(data, this.#secret, { prehash: false, format: "recovered" });
    return concat(made.slice(1), Uint8Array.of(27 + (made[0] as number)));
  }
}

/** A browser or hardware wallet: `ask` gets the parameter of `eth_signTypedData_v4` and returns the signature as hex. */
export class Wallet implements Signer {
  readonly address: Uint8Array;

  constructor(address: Uint8Array | string, private readonly ask: (data: TypedData) => Promise<string>) {
    this.address = typeof address === "string" ? fromHex(address, "address") : address;
  }

  /** Throws BadField where the signature is not this wallet's or not of this data. */
  async sign(network: Uint8Array, declaration: string, values: readonly Value[]): Promise<Uint8Array> {
    const made = fromHex(await this.ask(forWallet(network, declaration, values)), "signature");
    if (made.length === 65 && (made[64] as number) < 27) made[64] = (made[64] as number) + 27;
    if (hex(recover(digest(network, declaration, values), made)) !== hex(this.address)) {
      throw new BadField("signature", "the wallet signed something else, or with another key");
    }
    return made;
  }
}

/** The request with each named signature made; the others stay as they are, so that several can sign one after another. */
export async function signed<R extends RequestBody>(network: Uint8Array, request: R, signers: Readonly<Record<string, Signer>>): Promise<R> {
  const shape = shapeOf(request);
  const values = signedValues(network, request);
  const made: Record<string, string> = {};
  for (const [name, signer] of Object.entries(signers)) {
    if (!shape.fields.some((field) => field.is_signature && field.json === name)) throw new BadField(name, `${shape.name} has no such signature`);
    made[name] = `0x${hex(await signer.sign(network, declarationOf(shape), values))}`;
  }
  return { ...request, ...made };
}

/** The header `Authorization` of a signed route. `target` is path and query, as sent. */
export async function authorization(
  network: Uint8Array, signer: Signer, method: string, target: string, body: Uint8Array, timeMs: bigint, nonce: Uint8Array,
): Promise<string> {
  const hashes = [utf8(method), utf8(target), body].map(keccak256);
  const made = await signer.sign(network, API_REQUEST, [...hashes, timeMs, nonce]);
  return `Crossclear ${timeMs}:${hex(nonce)}:${hex(made)}`;
}

/** The address that signed. Throws BadField for a signature that no node accepts. */
export function recover(data: Uint8Array, signature: Uint8Array): Uint8Array {
  const recovery = (signature[64] ?? 0) - 27;
  if (signature.length !== 65 || (recovery !== 0 && recovery !== 1)) throw new BadField("signature", "a signature has 65 bytes, the last 27 or 28");
  try {
    const found = secp256k1.Signature.fromBytes(signature.slice(0, 64), "compact").addRecoveryBit(recovery);
    if (found.hasHighS()) throw new BadField("signature", "s is not in the lower half of the order");
    return addressOf(found.recoverPublicKey(data).toBytes(false));
  } catch (error) {
    throw error instanceof BadField ? error : new BadField("signature", "the signature is of no key");
  }
}

const addressOf = (point: Uint8Array): Uint8Array => keccak256(point.slice(1)).slice(12);
