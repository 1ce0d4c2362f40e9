import { useRef, useState } from "preact/hooks";
import { sha256 } from "../../../../client/typescript/src/bytes";
import { hex, type PackagePage, type Whole } from "../../../../client/typescript/src/index";
import { problemOf } from "../node/client";
import { useAsked } from "../node/asked";
import { useLive } from "../node/live";
import { type Session } from "../session";
import { Checks, toneOf, wordsOf } from "../solvency/checks";
import { ExitFile } from "../solvency/exit_file";
import { Reserves } from "../solvency/reserves";
import { type Standing, TimeLine } from "../solvency/time_line";
import { NOTHING, Trusted } from "../solvency/trusted";
import { integer, shortened } from "../ui/formats";
import { Figure, Figures, Mark, Panel, Shown, Table } from "../ui/parts";
import { type Checked, type Trust, trusted, verified } from "../verifying";

/** Epochs with their packages, each checked in this browser; reserves against what is owed; the exit file of the own account. */
type Package = PackagePage["packages"][number];
const EPOCHS_MAX = 50;
type Outcome = { readonly step: string } | { readonly checked: Checked } | { readonly refused: string } | { readonly unanswered: string };

export function Solvency({ session }: { session: Session }) {
  const { state } = useLive(session.live);
  const present = state === undefined ? undefined : { epoch: Number(state.epoch) + 1, timeMs: Number(state.time_ms) };
  const packages = useAsked(() => newest(session), 15_000, [session.client], { stream: session.live.stream, topics: ["epochs"] });
  const [trust, setTrust] = useState(NOTHING);
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Noted>>(new Map());
  // What was verified under another trust is not verified under this one.
  const under = useRef(trust);
  const change = (part: Partial<Trust>): void => {
    under.current = { ...under.current, ...part };
    setTrust(under.current);
    setOutcomes(new Map());
  };
  const check = async (line: Package): Promise<void> => {
    const { epoch } = line;
    const noted = outcomes.get(keyOf(line));
    if (noted !== undefined && "step" in noted.outcome) return; // it is being checked
    const note = (outcome: Outcome): void => {
      if (under.current === trust) setOutcomes((before) => new Map(before).set(keyOf(line), { epoch, outcome }));
    };
    try {
      trusted(trust);
    } catch (error) {
      return note({ unanswered: problemOf(error).words }); // the reader's fields say nothing of the package
    }
    note({ step: "fetching" });
    let file: ArrayBuffer;
    try {
      file = (await session.client.download(`/v1/proofs/${epoch}`)).buffer as ArrayBuffer;
    } catch (error) {
      return note({ unanswered: problemOf(error).words });
    }
    try {
      // The line has epoch, height and hash: a node that has nothing good to show for one of them could send another one's.
      if (`0x${hex(sha256(new Uint8Array(file)))}` !== line.sha256) throw new Error("The node sent other bytes than it lists.");
      const checked = await verified(file, trust, (step) => note({ step }));
      const { ok, epoch: sent, height } = checked.verdict;
      if (sent !== "" && sent !== String(epoch)) throw new Error(`The node sent the package of epoch ${sent}.`);
      if (ok && height !== String(line.height)) throw new Error(`The node sent the package of height ${height}.`);
      note({ checked });
    } catch (error) {
      note({ refused: problemOf(error).words });
    }
  };
  const newestChecked = [...outcomes.values()].flatMap(({ epoch, outcome }) => ("checked" in outcome ? [{ epoch, ...outcome.checked }] : [])).sort((a, b) => Number(b.epoch) - Number(a.epoch))[0];
  return (
    <>
      <Trusted trust={trust} change={change} />
      <Panel title="Epochs" note="Each epoch ends with a proof that every member is solvent in every stress scenario. Your browser checks it; the node is not believed.">
        <Shown asked={packages} what="its packages">{(list) => (
          <>
            {list.length > 0 && <TimeLine packages={list} client={session.client} present={present} standingOf={(line) => standingOf(outcomes.get(keyOf(line))?.outcome)} />}
            <Table caption="Epoch packages" empty="This node keeps no package. Each epoch is proven by some of the validators only: ask another node." rows={list} keyOf={keyOf} columns={[
              { head: "Epoch", numeric: true, cell: ({ epoch }) => integer(epoch) },
              { head: "Height", numeric: true, cell: ({ height }) => integer(height) },
              { head: "Size", numeric: true, cell: ({ bytes }) => `${integer(bytes)} bytes` },
              { head: "SHA-256", cell: ({ sha256 }) => <code title={sha256}>{shortened(sha256)}</code> },
              { head: "Result", cell: (each) => <Result outcome={outcomes.get(keyOf(each))?.outcome} /> },
              { head: "Check", cell: (each) => <button type="button" onClick={() => void check(each)} aria-label={`Verify epoch ${each.epoch}`}>Verify</button> },
            ]} />
          </>
        )}</Shown>
      </Panel>
      {newestChecked !== undefined && <Verdict epoch={newestChecked.epoch} checked={newestChecked} />}
      <Reserves session={session} />
      <ExitFile session={session} trust={trust} />
    </>
  );
}

interface Noted {
  readonly epoch: Whole;
  readonly outcome: Outcome;
}

/** Of a line as the node lists it: an outcome is of this very line, and of none that the node lists in its place later. */
const keyOf = ({ epoch, height, bytes, sha256: digest }: Package): string => `${epoch} ${height} ${bytes} ${digest}`;

/** Those of the newest epochs, the newest first. One page of the list: a node could answer with ever more. */
async function newest(session: Session): Promise<readonly Package[]> {
  const { package_epoch } = await session.client.state();
  const before = Number(package_epoch) - EPOCHS_MAX;
  const { packages } = await session.client.proofs(before > 0 ? { after: before } : {});
  return packages.slice(0, EPOCHS_MAX).reverse();
}

function standingOf(outcome: Outcome | undefined): Standing {
  if (outcome === undefined || "step" in outcome || "unanswered" in outcome) return "proven";
  if (!("checked" in outcome)) return "refused here";
  return ({ good: "verified here", part: "verified in part here", bad: "refused here" } as const)[toneOf(outcome.checked.verdict)];
}

function Result({ outcome }: { outcome: Outcome | undefined }) {
  if (outcome === undefined) return <span class="quiet">not checked</span>;
  if ("step" in outcome) return <span role="status">checking: {outcome.step}…</span>;
  if ("unanswered" in outcome) return <Mark tone="part">{outcome.unanswered}</Mark>;
  if ("refused" in outcome) return <Mark tone="bad">{outcome.refused}</Mark>;
  return <Mark tone={toneOf(outcome.checked.verdict)}>{wordsOf[toneOf(outcome.checked.verdict)]}</Mark>;
}

function Verdict({ epoch, checked }: { epoch: Whole; checked: Checked }) {
  const { verdict, seconds } = checked;
  return (
    <Panel title={`Epoch ${epoch}: ${wordsOf[toneOf(verdict)]}`}>
      <p id="claim">{verdict.claim}</p>
      <Figures>
        <Figure name="Checked in">{seconds.toFixed(2)} s</Figure>
        <Figure name="Height">{verdict.height}</Figure>
      </Figures>
      <Checks checks={verdict.checks} />
      <h3>Not proven</h3>
      <ul>{verdict.notProven.map((each) => <li>{each}</li>)}</ul>
      <details>
        <summary>What is the validators' word</summary>
        <dl class="pairs">{Object.entries(verdict.attested).flatMap(([name, value]) => [<dt>{name}</dt>, <dd>{value}</dd>])}</dl>
      </details>
    </Panel>
  );
}
