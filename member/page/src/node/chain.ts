import { type Call, type Log, allowanceCall, depositCalls, depositNumber } from "../../../../client/typescript/src/deposits";
import { type Provider } from "./keys";

/** Paying into a vault by a wallet of the browser: calls as words, sent by the wallet alone. */
const LOOK_MS = 1_000;
const LOOKS_MAX = 600;

export interface Payment {
  readonly chainId: number;
  readonly vault: string;
  readonly token: string;
  readonly amount: bigint;
  readonly account: number;
}

interface Receipt {
  readonly status: string;
  readonly logs: readonly Log[];
}

/** Pay in; returns the deposit's number at its vault. Throws Error with the wallet's words, or for a call that the chain refused. */
export async function paidIn(wallet: Provider, from: string, payment: Payment, tell: (words: string) => void): Promise<bigint> {
  const { chainId, vault, token, amount, account } = payment;
  tell("The wallet is asked for the token's chain…");
  await wallet.request({ method: "wallet_switchEthereumChain", params: [{ chainId: `0x${chainId.toString(16)}` }] });
  const { to, data } = allowanceCall(vault, token, from);
  const allowed = BigInt(String(await wallet.request({ method: "eth_call", params: [{ to, data }, "latest"] })));
  const [approve, deposit] = depositCalls(vault, token, amount, BigInt(account));
  // Some tokens change an allowance only through zero.
  const [nothing] = depositCalls(vault, token, 0n, BigInt(account));
  const approvals = allowed === amount ? [] : allowed === 0n ? [approve] : [nothing, approve];
  for (const each of approvals) {
    tell("The wallet is asked to let the vault take the amount…");
    await mined(wallet, from, each);
  }
  tell("The wallet is asked to pay in…");
  const { logs } = await mined(wallet, from, deposit);
  return depositNumber(logs, vault);
}

async function mined(wallet: Provider, from: string, { to, data }: Call): Promise<Receipt> {
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
