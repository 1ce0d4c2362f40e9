import { hex, Key, type Signer, Wallet } from "../../../../client/typescript/src/index";

/** Who signs. A key in this page stays in the memory of this page; a wallet's never comes here. */
export { type Signer } from "../../../../client/typescript/src/index";

/** Throws RangeError for what is no trade key. */
export function localKey(text: string): Signer {
  const digits = text.trim().replace(/^0x/, "");
  if (!/^[0-9a-fA-F]{64}$/.test(digits) || /^0+$/.test(digits)) throw new RangeError("A trade key has 64 hexadecimal digits.");
  return new Key(digits);
}

/** EIP-1193, as far as it is used. */
export interface Provider {
  request(asked: { readonly method: string; readonly params?: readonly unknown[] }): Promise<unknown>;
}

export const provider = (): Provider | undefined => (globalThis as { ethereum?: Provider }).ethereum;

/** A wallet of the browser, which asks its owner each time. Throws Error, or what the wallet throws. */
export async function connectedWallet(): Promise<Signer> {
  const found = provider();
  if (found === undefined) throw new Error("This browser has no wallet.");
  const [address] = (await found.request({ method: "eth_requestAccounts" })) as readonly string[];
  if (address === undefined || !/^0x[0-9a-fA-F]{40}$/.test(address)) throw new Error("The wallet names no account.");
  return new Wallet(address, async (data) => String(await found.request({ method: "eth_signTypedData_v4", params: [address, JSON.stringify(data)] })));
}

/** Whether each question to the node asks a person. */
export const asksPerson = (signer: Signer | undefined): boolean => signer instanceof Wallet;

export const addressOf = (signer: Signer): string => `0x${hex(signer.address)}`;
