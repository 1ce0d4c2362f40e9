import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { digest, domain, DOMAIN_FIELDS, fieldsOf, nameOf, type TypedRequest } from "./signing";

/** Who signs. A key in this page stays in the memory of this page; a wallet's never comes here. */
export interface Signer {
  readonly address: string;
  readonly kind: "key" | "wallet";
  /** 65 bytes as hex with 0x. */
  sign(network: string, request: TypedRequest): Promise<string>;
}

/** A trade key. Throws RangeError for what is none. */
export class LocalKey implements Signer {
  readonly kind = "key";
  readonly address: string;
  readonly #secret: Uint8Array;

  constructor(text: string) {
    const hex = text.trim().replace(/^0x/, "");
    if (!/^[0-9a-fA-F]{64}$/.test(hex) || !secp256k1.utils.isValidSecretKey(hexToBytes(hex))) {
      throw new RangeError("A trade key has 64 hexadecimal digits.");
    }
    this.#secret = hexToBytes(hex);
    const point = secp256k1.getPublicKey(this.#secret, false).slice(1);
    this.address = `0x${bytesToHex(keccak_256(point).slice(-20))}`;
  }

  sign(network: string, request: TypedRequest): Promise<string> {
    const signed = secp256k1.sign(digest(network, request), this.#secret, { prehash: false, format: "recovered" });
    const recovery = (signed[0] ?? 0) + 27;
    return Promise.resolve(`0x${bytesToHex(signed.slice(1))}${recovery.toString(16)}`);
  }
}

/** EIP-1193, as far as it is used. */
export interface Provider {
  request(asked: { readonly method: string; readonly params?: readonly unknown[] }): Promise<unknown>;
}

export const provider = (): Provider | undefined => (globalThis as { ethereum?: Provider }).ethereum;
export const hasWallet = (): boolean => provider() !== undefined;

/** A wallet of the browser, which asks its owner each time. Throws Error with the wallet's own words. */
export class Wallet implements Signer {
  readonly kind = "wallet";

  private constructor(
    readonly address: string,
    private readonly provider: Provider,
  ) {}

  static async connect(): Promise<Wallet> {
    const found = provider();
    if (found === undefined) throw new Error("This browser has no wallet.");
    const [address] = (await found.request({ method: "eth_requestAccounts" })) as readonly string[];
    if (address === undefined || !/^0x[0-9a-fA-F]{40}$/.test(address)) throw new Error("The wallet names no account.");
    return new Wallet(address.toLowerCase(), found);
  }

  async sign(network: string, request: TypedRequest): Promise<string> {
    const name = nameOf(request.declaration);
    const message = Object.fromEntries(
      Object.entries(request.values).map(([field, value]) => [field, typeof value === "bigint" ? String(value) : hexed(value)]),
    );
    const data = {
      types: { EIP712Domain: DOMAIN_FIELDS, [name]: fieldsOf(request.declaration) },
      primaryType: name,
      domain: domain(network),
      message,
    };
    return (await this.provider.request({ method: "eth_signTypedData_v4", params: [this.address, JSON.stringify(data)] })) as string;
  }
}

const hexed = (value: string | boolean): string | boolean =>
  typeof value === "string" && !value.startsWith("0x") ? `0x${value}` : value;
