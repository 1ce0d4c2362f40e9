import { hex, keccak256, utf8 } from "../../../../client/typescript/src/bytes";
import { type Provider } from "./keys";

/** Paying into a vault by a wallet of the browser: calls as words, sent by the wallet alone. */
const WORD = 64;
const LOOK_MS = 1_000;
const LOOKS_MAX = 600;

export interface Payment {
  readonly chainId: number;
  readonly vault: string;
  readonly token: string;
  readonly amount: bigint;
  readonly account: number;
}

const hash = (text: string): string => hex(keccak256(utf8(text)));
const word = (value: bigint | string): string => (typeof value === "bigint" ? value.toString(16) : value.slice(2)).padStart(WORD, "0").toLowerCase();
const call = (signature: string, ...words: readonly (bigint | string)[]): string => `0x${hash(signature).slice(0, 8)}${words.map(word).join("")}`;
const DEPOSITED = `0x${hash("Deposited(uint64,address,uint64,uint256,address,bytes32)")}`;

interface Receipt {
  readonly status: string;
  readonly logs: readonly { readonly address: string; readonly topics: readonly string[] }[];
}

/** Pay in; returns the deposit's number at its vault. Throws Error with the wallet's words, or for a call that the chain refused. */
export async function paidIn(wallet: Provider, from: string, payment: Payment, tell: (words: string) => void): Promise<bigint> {
  const { chainId, vault, token, amount, account } = payment;
  tell("The wallet is asked for the token's chain…");
  await wallet.request({ method: "wallet_switchEthereumChain", params: [{ chainId: `0x${chainId.toString(16)}` }] });
  const answer = await wallet.request({ method: "eth_call", params: [{ to: token, data: call("allowance(address,address)", from, vault) }, "latest"] });
  const allowed = BigInt(String(answer));
  // Some tokens change an allowance only through zero.
  const approvals = allowed === amount ? [] : allowed === 0n ? [amount] : [0n, amount];
  for (const each of approvals) {
    tell("The wallet is asked to let the vault take the amount…");
    await mined(wallet, from, token, call("approve(address,uint256)", vault, each));
  }
  tell("The wallet is asked to pay in…");
  const { logs } = await mined(wallet, from, vault, call("deposit(address,uint256,uint64)", token, amount, BigInt(account)));
  const event = logs.find(({ address, topics }) => address.toLowerCase() === vault.toLowerCase() && topics[0] === DEPOSITED);
  if (event?.topics[1] === undefined) throw new Error("The vault noted no deposit.");
  return BigInt(event.topics[1]);
}

async function mined(wallet: Provider, from: string, to: string, data: string): Promise<Receipt> {
  const sent = await wallet.request({ method: "eth_sendTransaction", params: [{ from, to, data }] });
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const receipt = (await wallet.request({ method: "eth_getTransactionReceipt", params: [sent] })) as Receipt | null;
    if (receipt !== null) {
      if (BigInt(receipt.status) !== 1n) throw new Error("The chain refused the call.");
      return receipt;
    }
    await new Promise((resume) => setTimeout(resume, LOOK_MS));
  }
  throw new Error("The transaction is in no block yet. Look at the wallet.");
}
