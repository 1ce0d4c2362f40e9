/** Paying in: the calls of a chain's token and vault as words for any wallet, and the number of the deposit. Nothing is sent here. */
import { concat, fromHex, hex, keccak256, utf8 } from "./bytes.js";
import { BadField } from "./errors.js";

/** A transaction of `eth_sendTransaction`; `value` in wei. */
export interface Call { readonly to: string; readonly data: string; readonly value: string }
/** Of a receipt, as JSON-RPC has it. */
export interface Log { readonly address: string; readonly topics: readonly string[] }

const DEPOSITED = `0x${hex(keccak256(utf8("Deposited(uint64,address,uint64,uint256,address,bytes32)")))}`;

/**
 * Allow the vault to take the amount, in base units of the token, then pay it in for an account. A token that changes an
 * allowance only through zero must be allowed nothing before. Throws BadField.
 */
export function depositCalls(vault: string, token: string, amount: bigint, account: bigint): readonly [Call, Call] {
  return [
    { to: token, data: callOf("approve(address,uint256)", vault, amount), value: "0x0" },
    { to: vault, data: callOf("deposit(address,uint256,uint64)", token, amount, account), value: "0x0" },
  ];
}

/** To be asked by `eth_call`: how many base units of the owner's token the vault may take now. Throws BadField. */
export function allowanceCall(vault: string, token: string, owner: string): Call {
  return { to: token, data: callOf("allowance(address,address)", owner, vault), value: "0x0" };
}

/** Pay in native coin, `amount` in wei, for an account. Throws BadField. */
export function nativeDepositCall(vault: string, amount: bigint, account: bigint): Call {
  word(amount);
  return { to: vault, data: callOf("depositNative(uint64)", account), value: `0x${amount.toString(16)}` };
}

/** The number of a deposit at its vault: with it `Client.deposit` follows it. Throws BadField where the vault noted none. */
export function depositNumber(logs: readonly Log[], vault: string): bigint {
  const found = logs.find(({ address, topics }) => address.toLowerCase() === vault.toLowerCase() && topics[0] === DEPOSITED);
  if (found?.topics[1] === undefined) throw new BadField("receipt", "the vault noted no deposit");
  return BigInt(found.topics[1]);
}

function callOf(signature: string, ...values: readonly (bigint | string)[]): string {
  return `0x${hex(concat(keccak256(utf8(signature)).slice(0, 4), ...values.map(word)))}`;
}

function word(value: bigint | string): Uint8Array {
  if (typeof value === "bigint" && (value < 0n || value >= 1n << 256n)) throw new BadField("amount", "not in the bounds of an unsigned integer of 256 bits");
  if (typeof value === "string" && !/^0x[0-9a-fA-F]{40}$/.test(value)) throw new BadField("address", "an address has 0x and 40 hexadecimal digits");
  return fromHex((typeof value === "bigint" ? value.toString(16) : value.slice(2).toLowerCase()).padStart(64, "0"), "word");
}
