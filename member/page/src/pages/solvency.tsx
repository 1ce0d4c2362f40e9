import { useState } from "preact/hooks";
import { type PackagePage, type Whole, writeJson } from "../../../../client/typescript/src/index";
import { problemOf } from "../node/client";
import { useAsked } from "../node/asked";
import { useLive } from "../node/live";
import { type Session } from "../session";
import { integer, scaled, shortened, time } from "../ui/formats";
import { Empty, Figure, Figures, Mark, Panel, Shown, Table, type Tone } from "../ui/parts";
import { type Checked, verified } from "../verifying";

/** Epochs with their packages, each checked in this browser; what is owed in each token; the exit file of the own account. */
type Package = PackagePage["packages"][number];
type Outcome = { readonly step: string } | { readonly checked: Checked } | { readonly refused: string };

export function Solvency({ session }: { session: Session }) {
  const { state } = useLive(session.live);
  const packages = useAsked(() => newest(session), 15_000, [session.client], { stream: session.live.stream, topics: ["epochs"] });
  const [genesis, setGenesis] = useState<ArrayBuffer | undefined>(undefined);
  const [age, setAge] = useState("168");
  const [outcomes, setOutcomes] = useState<ReadonlyMap<Whole, Outcome>>(new Map());
  const note = (epoch: Whole, outcome: Outcome): void => setOutcomes((before) => new Map(before).set(epoch, outcome));
  const check = async ({ epoch }: Package): Promise<void> => {
    note(epoch, { step: "fetching" });
    try {
      if (!/^([0-9]{1,7}(\.[0-9]{1,3})?)?$/.test(age)) throw new RangeError("The largest age is a number of hours.");
      const file = (await session.client.download(`/v1/proofs/${epoch}`)).buffer as ArrayBuffer;
      note(epoch, { checked: await verified(file, { genesis, hours: age === "" ? "any" : Number(age) }, (step) => note(epoch, { step })) });
    } catch (error) {
      note(epoch, { refused: problemOf(error).words });
    }
  };
  const newestChecked = [...outcomes].flatMap(([epoch, outcome]) => ("checked" in outcome ? [{ epoch, ...outcome.checked }] : [])).sort((a, b) => Number(b.epoch) - Number(a.epoch))[0];
  return (
    <>
      <Panel title="What you trust" note="A package alone only agrees with itself. Give the genesis file that you have from somewhere else than this node; it names the network and its first validators.">
        <label for="genesis">Genesis file</label>
        <input id="genesis" type="file" accept=".json,application/json" onChange={(event) => void event.currentTarget.files?.[0]?.arrayBuffer().then(setGenesis)} />
        <label for="age">Largest age in hours; empty: any age</label>
        <input id="age" inputMode="decimal" autocomplete="off" value={age} onInput={(event) => setAge(event.currentTarget.value.trim())} />
      </Panel>
      <Panel title="Epochs" note="Each epoch ends with a proof that every member is solvent in every stress scenario. Your browser checks it; the node is not believed.">
        <Shown asked={packages} what="its packages">{(list) => (
          <Table caption="Epoch packages" empty="This node keeps no package. Each epoch is proven by some of the validators only: ask another node." rows={list} columns={[
            { head: "Epoch", numeric: true, cell: ({ epoch }) => integer(epoch) },
            { head: "Height", numeric: true, cell: ({ height }) => integer(height) },
            { head: "Size", numeric: true, cell: ({ bytes }) => `${integer(bytes)} bytes` },
            { head: "SHA-256", cell: ({ sha256 }) => <code title={sha256}>{shortened(sha256)}</code> },
            { head: "Result", cell: ({ epoch }) => <Result outcome={outcomes.get(epoch)} /> },
            { head: "Check", cell: (each) => <button type="button" onClick={() => void check(each)} aria-label={`Verify epoch ${each.epoch}`}>Verify</button> },
          ]} />
        )}</Shown>
      </Panel>
      {newestChecked !== undefined && <Verdict epoch={newestChecked.epoch} checked={newestChecked} />}
      <Panel title="Reserves" note="What the network owes its members in each token. The package proves that the vaults have it.">
        <Table caption="Owed in each token" empty="No token is listed." rows={state?.assets ?? []} columns={[
          { head: "Token", cell: ({ name }) => name },
          { head: "Chain", numeric: true, cell: ({ chain_id }) => String(chain_id) },
          { head: "Owed", numeric: true, cell: ({ inventory_units, unit_decimals }) => scaled(BigInt(inventory_units), Number(unit_decimals), Math.min(Number(unit_decimals), 4)) },
          { head: "Use", cell: ({ cash_group }) => (Number(cash_group) > 0 ? "cash" : "collateral") },
          { head: "State", cell: ({ shortage, suspended }) => shortage !== null && shortage !== undefined ? <Mark tone="bad">halted: the vault lacks some</Mark> : suspended === true ? <Mark tone="part">suspended</Mark> : <Mark tone="good">in use</Mark> },
        ]} />
      </Panel>
      <ExitFile session={session} />
    </>
  );
}

/** The last page is the newest. */
async function newest(session: Session): Promise<readonly Package[]> {
  const out: Package[] = [];
  let after = "";
  do {
    const page = await session.client.proofs(after === "" ? {} : { after });
    out.push(...page.packages);
    after = page.next;
  } while (after !== "");
  return out.slice(-50).reverse();
}

const toneOf = ({ verdict }: Checked): Tone => (!verdict.ok ? "bad" : verdict.complete ? "good" : "part");
const wordsOf: Record<Tone, string> = { good: "VERIFIED", part: "VERIFIED IN PART", bad: "NOT VERIFIED" };

function Result({ outcome }: { outcome: Outcome | undefined }) {
  if (outcome === undefined) return <span class="quiet">not checked</span>;
  if ("step" in outcome) return <span role="status">checking: {outcome.step}…</span>;
  if ("refused" in outcome) return <Mark tone="bad">{outcome.refused}</Mark>;
  return <Mark tone={toneOf(outcome.checked)}>{wordsOf[toneOf(outcome.checked)]}</Mark>;
}

function Verdict({ epoch, checked }: { epoch: Whole; checked: Checked }) {
  const { verdict, seconds } = checked;
  return (
    <Panel title={`Epoch ${epoch}: ${wordsOf[toneOf(checked)]}`}>
      <p id="claim">{verdict.claim}</p>
      <Figures>
        <Figure name="Checked in">{seconds.toFixed(2)} s</Figure>
        <Figure name="Height">{verdict.height}</Figure>
      </Figures>
      <Table caption="Checks" empty="No check was run." rows={verdict.checks} columns={[
        { head: "Check", cell: ({ name }) => name.replaceAll("_", " ") },
        { head: "Result", cell: ({ ok, complete }) => <Mark tone={!ok ? "bad" : complete ? "good" : "part"}>{!ok ? "failed" : complete ? "passed" : "open"}</Mark> },
        { head: "Detail", cell: ({ detail }) => detail },
        { head: "Meaning", cell: ({ meaning }) => meaning },
      ]} />
      <h3>Not proven</h3>
      <ul>{verdict.notProven.map((each) => <li>{each}</li>)}</ul>
      <details>
        <summary>What is the validators' word</summary>
        <dl class="pairs">{Object.entries(verdict.attested).flatMap(([name, value]) => [<dt>{name}</dt>, <dd>{value}</dd>])}</dl>
      </details>
    </Panel>
  );
}

function ExitFile({ session }: { session: Session }) {
  const { account } = session;
  const [told, setTold] = useState("");
  const save = async (): Promise<void> => {
    try {
      const view = await session.client.exit(account ?? 0);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([writeJson(view)], { type: "application/json" }));
      link.download = `exit-${account}-epoch-${view.epoch}.json`;
      link.click();
      URL.revokeObjectURL(link.href);
      const paid = view.leaves.length;
      setTold(`Epoch ${view.epoch} at ${time(Date.now())}: ${paid} ${paid === 1 ? "payment" : "payments"} under the root ${shortened(view.exit_root)}.`);
    } catch (error) {
      setTold(problemOf(error).words);
    }
  };
  return (
    <Panel title="Exit file" note="With this file the vaults pay you even if every validator stops for ever. Keep a recent one. `crossclear exit check` checks it.">
      {account === undefined ? <Empty>Sign in under Account to get yours.</Empty> : (
        <>
          <button type="button" onClick={() => void save()}>Save the exit file of account {account}</button>
          <p role="status">{told}</p>
        </>
      )}
    </Panel>
  );
}
