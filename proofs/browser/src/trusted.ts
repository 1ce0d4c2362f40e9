import { type Bytes } from "./bytes.js";
import { type Freshness } from "./freshness.js";
import { type Genesis } from "./genesis.js";
import { type OwnAccount } from "./inclusion.js";
import { type Check, type CheckName } from "./verdict.js";

/** What a verifier takes from its caller, and never from the file: docs/specification/verification.md. */
export interface Trusted {
  /** 32 bytes each. */
  readonly network?: Bytes | undefined;
  readonly validatorsHash?: Bytes | undefined;
  /** The compared parts of a genesis as amended. */
  readonly genesis?: Genesis | undefined;
  /** The check `freshness` runs if this is given. */
  readonly freshness?: Freshness | undefined;
  readonly own?: OwnAccount | undefined;
  /** Strictly, an open check is refused, but for those that are named here. */
  readonly strict?: { readonly allowed: readonly CheckName[] } | undefined;
}

export interface Progress {
  /** A check begins. */
  readonly begins?: (name: CheckName) => void;
  /** A share from 0 to 1 of the running check is done. */
  readonly share?: (share: number) => void;
  /** A check has ended. */
  readonly ends?: (check: Check) => void;
}
