import {
  array, BOOLEAN, bytes, I63, literal, member, numbered, type Of, or, pair, structure, small, TEXT, U32, U63,
} from "./messagepack.js";

/** The structures of a package: tables of docs/specification, in their order. */
const zeros = (length: number) => (): Uint8Array => new Uint8Array(length);
const none = <T>(): T[] => [];

export const DepositCursor = structure({ chain_id: U63, vault: bytes(20), nonce: U63 });
export const Header = structure({
  network: bytes(32),
  parent: bytes(32),
  height: U63,
  time_ms: U63,
  payload_root: bytes(32),
  module_roots: array(bytes(32), 16),
  commitments_root: bytes(32),
  commitments_height: U63,
  withdrawals_root: bytes(32),
  withdrawals_count: U63,
  exit_root: bytes(32),
  epoch: U63,
  validators_hash: bytes(32),
  next_validators_hash: bytes(32),
  deposit_cursors: array(DepositCursor, 64),
});
export type Header = Of<typeof Header>;

export const Validator = structure({
  envelope_key: bytes(32),
  bls_key: bytes(48),
  power: U63,
  possession: bytes(96),
  evm_address: bytes(20),
  evm_possession: bytes(65),
});
export const ValidatorSet = structure({ validators: array(Validator) });
export type ValidatorSet = Of<typeof ValidatorSet>;

export const Certificate = structure({
  kind: member(1, 2),
  height: U63,
  round: U32,
  value: bytes(32),
  validators_hash: bytes(32),
  signers: bytes(32),
  aggregate: bytes(96),
});
export type Certificate = Of<typeof Certificate>;

/** Kinds are read as numbers: an unknown one is a code of its own. */
export const Slot = structure({ name: TEXT, kind: I63, group: or(U32, () => 0) });
export type Slot = Of<typeof Slot>;
export const Row = structure({
  name: TEXT,
  kind: I63,
  coefficients: array(pair(U32, I63)),
  constant: or(I63, () => 0n),
  shortfall: or(BOOLEAN, () => false),
});
export type Row = Of<typeof Row>;

export const BalanceLocation = structure({
  order: or(member(0, 1, 2), () => 0),
  slot: or(bytes(32), zeros(32)),
  bits: or(U32, () => 256),
});
export const CustodyTerm = structure({
  chain_id: U63,
  vault: bytes(20),
  token: bytes(20),
  slot: U32,
  block_number: U63,
  block_hash: bytes(32),
  deposited: bytes(32),
  withdrawn: bytes(32),
  balance: bytes(32),
  balances: BalanceLocation,
  unit: U63,
  held: U63,
  released: bytes(32),
  later: bytes(32),
  strays: bytes(32),
  dust: bytes(32),
});
export type CustodyTerm = Of<typeof CustodyTerm>;

export const CoverTerms = structure({
  fund: U63,
  fund_account: U63,
  members: array(pair(U63, U63)),
  deficits: array(U63),
});
export type CoverTerms = Of<typeof CoverTerms>;

export const RiskStatement = structure({
  network: bytes(32),
  height: U63,
  epoch: U63,
  state_root: bytes(32),
  scenarios: U32,
  groups: array(TEXT),
  slots: array(Slot),
  rows: array(Row),
  prices: array(structure({ name: TEXT, ticks: U63 })),
  totals: array(structure({ slot: U32, total: I63 })),
  custody: array(CustodyTerm, 1024),
  shortfalls: array(pair(U63, U63)),
  rules: or(bytes(0, 1 << 20), zeros(0)),
  assumptions: or(array(TEXT), none<string>),
  cover: or(array(CoverTerms), none<CoverTerms>),
});
export type RiskStatement = Of<typeof RiskStatement>;

export const BlockEvidence = structure({
  chain_id: U63,
  header: bytes(0, 4096),
  nodes: array(bytes(0, 1024), 4096),
});
export type BlockEvidence = Of<typeof BlockEvidence>;

const PROOF = bytes(0, 1 << 25);
export const EpochPackage = structure({
  format: literal("crossclear-epoch-package/2"),
  header: Header,
  certificate: Certificate,
  validators: ValidatorSet,
  srs: bytes(32),
  domain: U32,
  statement: RiskStatement,
  commitments: numbered(48),
  proof: PROOF,
  book: PROOF,
  cover: or(PROOF, zeros(0)),
  custody: or(array(BlockEvidence, 256), none<BlockEvidence>),
  house: or(PROOF, zeros(0)),
});
export type EpochPackage = Of<typeof EpochPackage>;

export const SignedInclusion = structure({
  format: literal("crossclear-inclusion/1"),
  network: bytes(32),
  epoch: U63,
  height: U63,
  account: U63,
  owner: bytes(20),
  seed: bytes(32),
  holdings: array(pair(TEXT, I63), 4096),
  signer: bytes(32),
  signature: bytes(64),
});
export type SignedInclusion = Of<typeof SignedInclusion>;
export const BYTE = small(255);
