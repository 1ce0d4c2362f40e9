import { attestedValues } from "./attested.js";
import { contradiction, decodeAnswer, readAnswer } from "./answer.js";
import { Domain } from "./basis.js";
import { type Bytes, equal, H, hex, number } from "./bytes.js";
import { CODES, demand, Refusal } from "./errors.js";
import {
  demandKeys, demandLeaf, demandOnchainProof, demandPresented, type EpochKeys, keyWords, readOnchainAccount, readOnchainEpoch,
  signedPower,
} from "./onchain.js";
import { type ReadPackage } from "./package.js";
import { demandSolvent, listed, readStandalone } from "./standalone.js";
import { PackageChecks } from "./checks.js";
import { type Progress, type Trusted } from "./trusted.js";
import { type Check, type CheckName, judge, MEANINGS, refusedOpen, type Outcome, type Verdict } from "./verdict.js";
import { freshnessLimits } from "./freshness.js";
import { claim, claimOfAccount, notProven, notProvenOfAccount, notProvenOfAnswer, notProvenOfKeys, type Shown } from "./words.js";

/** Check a standalone proof of one account beside its package: only the checks that it needs. */
export function verifyStandalone(file: Bytes, proof: Bytes, trusted: Trusted = {}, progress: Progress = {}): Verdict {
  return new Verification(file, trusted, progress).runStandalone(proof);
}

/** Check that a node's signed answer agrees with a package: certificate, roots, statement, then the comparison. */
export function verifyAnswer(file: Bytes, answer: Bytes, trusted: Trusted = {}, progress: Progress = {}): Verdict {
  return new Verification(file, trusted, progress).runAnswer(answer);
}

/** Check an epoch package. The checks run in the order of the specification; the first that fails ends it. */
export function verifyPackage(file: Bytes, trusted: Trusted = {}, progress: Progress = {}): Verdict {
  return new Verification(file, trusted, progress).run();
}

/** The same, with what was read, believed or not: for those who compare several packages. `last`: a check after which it ends,
 * and whose passing makes no claim. */
export function verifyRead(
  file: Bytes, trusted: Trusted = {}, progress: Progress = {}, last?: CheckName,
): { verdict: Verdict; read: ReadPackage | undefined } {
  const verification = new Verification(file, trusted, progress);
  return { verdict: verification.run(last), read: verification.found() };
}

/** Check that the keys of a `.cco` file follow from a package and the leaves of all accounts. */
export function verifyOnchainEpoch(file: Bytes, epoch: Bytes, trusted: Trusted = {}, progress: Progress = {}): Verdict {
  return new Verification(file, trusted, progress).runOnchainEpoch(epoch);
}

/** What a caller trusts of the keys of a `.cca` file: their hash, as the contract keeps it. */
export interface TrustedKeys extends Pick<Trusted, "strict"> {
  readonly keysHash?: Bytes | undefined;
}

/** Check a `.cca` file: one account under keys. Who certified the keys is for the contract: without their hash the check
 * `trusted_keys` stays open, for anybody can make keys. */
export function verifyOnchainAccount(file: Bytes, trusted: TrustedKeys = {}, progress: Progress = {}): Verdict {
  return new Verification(file, { strict: trusted.strict }, progress).runOnchainAccount(trusted.keysHash);
}

/** The hash that a contract keeps of keys; none where a point of theirs is no point, which the check `proof` refuses. */
function hashOfKeys(keys: EpochKeys): Bytes | undefined {
  try {
    return H(keyWords(keys));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return undefined;
  }
}

type Step = [CheckName, () => Outcome];

class Verification extends PackageChecks {
  /** Of a standalone proof. */
  private account: bigint | undefined;
  /** Of a signed answer that agrees with the package. */
  private signer: Bytes | undefined;
  /** Whether an account under keys passed all its checks. */
  private isPresented = false;

  run(last?: CheckName): Verdict {
    const steps = this.steps();
    const end = last === undefined ? steps.length : 1 + steps.findIndex(([name]) => name === last);
    return this.judged(steps.slice(0, end));
  }

  private steps(): Step[] {
    return [
      ...this.certified().slice(0, 2),
      ["sizes", () => this.sizes()],
      ...this.certified().slice(2),
      ["ranges_and_rows", () => this.rangesAndRows()],
      ["matched_book", () => this.matchedBook()],
      ["reserves", () => this.reserves()],
      ["custody", () => this.custody()],
      ["cover", () => this.cover()],
      ["house", () => this.house()],
      ["rules", () => this.rules()],
      ...(this.trusted.own === undefined ? [] : [["inclusion", () => this.inclusion()] satisfies Step]),
    ];
  }

  found(): ReadPackage | undefined {
    return this.read;
  }

  private certified(): Step[] {
    return [
      ["encoding", () => this.encoding()],
      ["certificate", () => this.certificate()],
      ["roots", () => this.roots()],
      ...(this.trusted.freshness !== undefined ? [["freshness", () => this.freshness()] satisfies Step] : []),
      ["statement", () => this.statement()],
    ];
  }

  runStandalone(file: Bytes): Verdict {
    return this.judged([
      ["encoding", () => {
        const outcome = this.encoding();
        readStandalone(file);
        return outcome;
      }],
      ...this.certified().slice(1),
      ["rules", () => this.rules()],
      ["listed", () => {
        if (this.read === undefined) throw new Error("checks run in order");
        this.account = listed(this.read, readStandalone(file));
        return { detail: `the proof is about account ${this.account}` };
      }],
      ["solvency", () => {
        const { read, layout, account } = this;
        if (read === undefined || layout === undefined || account === undefined) throw new Error("checks run in order");
        demandSolvent(read, layout, account, readStandalone(file));
        return { detail: "every slot and row of this account lies in its range" };
      }],
    ]);
  }

  runAnswer(file: Bytes): Verdict {
    let found = "";
    const verdict = this.judged([
      ["encoding", () => {
        const outcome = this.encoding();
        decodeAnswer(file);
        return outcome;
      }],
      ...this.certified().slice(1),
      ["answer", () => {
        const answer = readAnswer(file);
        found = contradiction(this.content, answer, new Domain(this.content.domain)) ?? "";
        demand(found === "", CODES.NOT_INCLUDED, `the answer and the package contradict each other: ${found}${this.evidence(answer.signer)}`);
        this.signer = answer.signer;
        return { detail: `the answer about account ${answer.account}, which the key ${hex(answer.signer)} signed, agrees with the package` };
      }],
    ]);
    return { ...verdict, contradiction: found };
  }

  /** Why a contradiction shows nothing against a node, or on whose word it does: anybody can make up a key, or a set with its
   * list; and a set that has retired, or runs another network to try things out, could frame a node. */
  private evidence(signer: Uint8Array): string {
    const { network, validatorsHash, freshness } = this.trusted;
    const { certificate } = this.content;
    const places = this.placesOf(signer);
    const isValidator = places.length > 0;
    const hasSigned = places.some((index) => ((number(certificate.signers) >> BigInt(index)) & 1n) === 1n);
    const why = [
      ...(isValidator ? [] : ["no evidence: the signer is not in the set that certified the package"]),
      ...(isValidator && !hasSigned ? ["the list is the word of the validators that signed it: this one did not"] : []),
      ...(validatorsHash === undefined ? ["no evidence: the package's own validator set was taken, which anybody can make up"] : []),
      ...(network === undefined ? ["no evidence: the network is the files' own word"] : []),
      ...(freshness === undefined ? ["no evidence: no time was stated, and the set may have retired"] : []),
      ...(freshness !== undefined && validatorsHash !== undefined && freshness.setKnown === undefined
        ? ["that the validator set was in force rests on the caller's word"]
        : []),
    ];
    return why.map((each) => `; ${each}`).join("");
  }

  /** Which validators of the package's set have a key. */
  private placesOf(signer: Uint8Array): number[] {
    return this.content.validators.validators.flatMap(({ envelope_key }, index) => (equal(envelope_key, signer) ? [index] : []));
  }

  runOnchainEpoch(file: Bytes): Verdict {
    return this.judged([
      ["encoding", () => {
        const outcome = this.encoding();
        readOnchainEpoch(file);
        return outcome;
      }],
      ...this.certified().slice(1),
      ["rules", () => this.rules()],
      ["keys", () => {
        if (this.read === undefined || this.layout === undefined) throw new Error("checks run in order");
        const epoch = readOnchainEpoch(file);
        demandKeys(epoch, this.read, this.layout);
        return { detail: `the keys are those of ${epoch.leaves.length} leaves and the certified statement` };
      }],
      ["shares", () => {
        if (this.read === undefined) throw new Error("checks run in order");
        const { signed, all } = signedPower(readOnchainEpoch(file), this.read);
        return { detail: `validators with ${signed} of ${all} of the power signed them`, complete: 3n * signed > 2n * all };
      }],
    ]);
  }

  runOnchainAccount(trusted: Bytes | undefined): Verdict {
    const read = (): ReturnType<typeof readOnchainAccount> => readOnchainAccount(this.file);
    return this.judged([
      ["encoding", () => {
        read();
        return { detail: `${this.file.length} bytes, canonical` };
      }],
      ["trusted_keys", () => {
        const hash = hashOfKeys(read().keys);
        const shown = hash === undefined ? "" : ` ${hex(hash)}`;
        if (trusted === undefined) return { detail: `the keys${shown} are the file's own word`, complete: false };
        demand(hash !== undefined && equal(hash, trusted), CODES.KEYS_DIFFER, "account's file");
        return { detail: `the keys are those of the trusted hash${shown}` };
      }],
      ["leaf", () => {
        demandLeaf(read());
        return { detail: `account ${read().leaf.account} is one of ${read().keys.accounts} under the keys of epoch ${read().keys.epoch}` };
      }],
      ["proof", () => {
        demandOnchainProof(read());
        const { account, shortfall } = read().leaf;
        const short = shortfall === 0n ? "" : `, but for a public shortfall of ${shortfall}`;
        return { detail: `every slot and row of account ${account} lies in its range${short}` };
      }],
      ["presentation", () => {
        demandPresented(read());
        const { chain_id, verifier, caller, purpose } = read().presentation.audience;
        const whom = `for the caller 0x${hex(caller)} of the contract 0x${hex(verifier)} on chain ${chain_id}`;
        this.isPresented = true;
        return { detail: `${whom}, for the purpose 0x${hex(purpose)}` };
      }],
    ]);
  }

  private judged(steps: readonly Step[]): Verdict {
    const checks: Check[] = [];
    for (const [name, step] of steps) {
      this.progress.begins?.(name);
      const check = judge(name, step, MEANINGS[name]);
      checks.push(check);
      this.progress.ends?.(check);
      if (!check.ok) break;
    }
    return this.verdict(checks, steps.slice(checks.length).map(([name]) => name));
  }

  private verdict(checks: readonly Check[], notRun: readonly CheckName[]): Verdict {
    const { network, validatorsHash, genesis, freshness, strict } = this.trusted;
    const failed = checks.find((check) => !check.ok);
    const refusal = failed === undefined ? refusedOpen(checks, strict?.allowed) : { check: failed.name, code: failed.code };
    const ok = refusal === undefined;
    const content = this.read?.content;
    // A claim is about the whole package: it is made when all checks of a package have run.
    const whole = failed === undefined && checks.some(({ name }) => name === "house");
    const shown: Shown = {
      assurances: this.assurances,
      book: this.book,
      trustedSet: validatorsHash !== undefined,
      trustedNetwork: network !== undefined,
      withGenesis: genesis !== undefined,
      freshness,
      houseMissing: this.houseMissing,
    };
    const alone = failed === undefined ? this.account : undefined;
    const told = content !== undefined && (whole || alone !== undefined);
    const ofKeys = content !== undefined && failed === undefined && checks.some(({ name }) => name === "shares");
    const signer = failed === undefined ? this.signer : undefined;
    // Beside an answer nobody compares the rulebook, with a genesis neither.
    const compared = signer === undefined ? genesis : undefined;
    const attested = content !== undefined && (told || ofKeys || signer !== undefined) ? attestedValues(content, this.book, !whole, compared, this.assurances) : {};
    const limits = (): string[] => {
      if (ofKeys) return freshnessLimits(freshness, validatorsHash !== undefined);
      if (this.isPresented) return notProvenOfKeys();
      if (signer !== undefined) return notProvenOfAnswer(shown, this.placesOf(signer).length > 0, attested);
      if (!told) return [];
      return alone === undefined ? notProven(content, shown, attested) : notProvenOfAccount(content, shown, attested);
    };
    return {
      ok,
      complete: ok && checks.every((check) => check.complete),
      checks,
      notRun,
      refusal,
      contradiction: "",
      claim: !ok || !told ? "" : alone === undefined ? claim(content, shown) : claimOfAccount(content, alone),
      notProven: limits(),
      attested,
      network: content === undefined ? "" : hex(content.header.network),
      height: content === undefined ? "" : String(content.statement.height),
      epoch: content === undefined ? "" : String(content.statement.epoch),
      bytes: this.file.length,
    };
  }
}
