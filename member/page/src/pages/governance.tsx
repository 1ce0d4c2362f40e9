import { useEffect, useState } from "preact/hooks";
import { type EffectView, type GovernanceView, type Whole } from "../../../../client/typescript/src/index";
import { useAsked } from "../node/asked";
import { type PageClient, patient } from "../node/client";
import { asksPerson } from "../node/keys";
import { type Session } from "../session";
import { integer, money, shortened, span, time } from "../ui/formats";
import { Figure, Figures, Mark, Panel, Shown, Table } from "../ui/parts";

/** Proposals with their votes and clocks, what each would do to the own accounts, and the amendments so far. */
type Proposal = GovernanceView["proposals"][number];

export function Governance({ session }: { session: Session }) {
  const governance = useAsked(() => session.client.governance(), 5_000, [session.client], { stream: session.live.stream, topics: ["governance"] });
  return (
    <Shown asked={governance} what="proposals">{(view) => (
      <>
        <Panel title="Rules of change">
          <Figures>
            <Figure name="Changes by vote">{view.enabled ? "possible" : "not possible"}</Figure>
            <Figure name="Time to vote">{span(view.vote_ms)}</Figure>
            <Figure name="Timelock">{span(view.timelock_ms)}</Figure>
            <Figure name="Protocol version">{integer(view.protocol?.version ?? 0)}</Figure>
            {Number(view.protocol?.next_version ?? 0) > 0 && <Figure name="Next protocol version" tone="part">{integer(view.protocol?.next_version ?? 0)} at height {integer(view.protocol?.next_height ?? 0)}</Figure>}
          </Figures>
        </Panel>
        <Panel title="Proposals">
          {view.proposals.length === 0 && <p class="empty">Nothing is proposed.</p>}
          {view.proposals.map((proposal) => <ProposalCard key={String(proposal.number)} session={session} proposal={proposal} now={view.time_ms} />)}
        </Panel>
        {view.halts.length > 0 && (
          <Panel title="Halts">
            <Table caption="Halted instruments" empty="" rows={view.halts} columns={[
              { head: "Instrument", cell: ({ instrument }) => session.names.instrument(Number(instrument)) },
              { head: "Until height", numeric: true, cell: ({ until_height }) => integer(until_height) },
            ]} />
          </Panel>
        )}
        <Panel title="Amendments">
          <Table caption="Amendments" empty="The terms are those of genesis." rows={[...view.amendments].reverse()} columns={[
            { head: "Number", numeric: true, cell: ({ number }) => integer(number) },
            { head: "Height", numeric: true, cell: ({ height }) => integer(height) },
            { head: "Time", cell: ({ time_ms }) => time(time_ms) },
            { head: "Kind", cell: ({ kind }) => kind },
            { head: "Places", cell: ({ paths }) => paths.join(", ") },
          ]} />
        </Panel>
      </>
    )}</Shown>
  );
}

function ProposalCard({ session, proposal, now }: { session: Session; proposal: Proposal; now: Whole }) {
  const signedIn = session.client.signer !== undefined;
  const effect = useAsked(
    () => (signedIn ? effectOf(session.client, proposal.number) : Promise.resolve(undefined)),
    0, [session.client, proposal.number],
  );
  return (
    <article class="card" aria-label={`Proposal ${proposal.number}`}>
      <h3>Proposal {integer(proposal.number)}: {proposal.kind}</h3>
      <p>{proposal.reason}</p>
      <Figures>
        <Figure name="For" tone="good">{integer(proposal.approving)} of {integer(proposal.total)}</Figure>
        <Figure name="Against">{integer(proposal.rejecting)}</Figure>
        <Figure name={proposal.agreed ? "In force in" : "Votes end in"}><Clock until={proposal.agreed ? proposal.effective_ms : proposal.vote_until_ms} now={now} /></Figure>
        <Figure name="Proposer"><code title={proposal.proposer}>{shortened(proposal.proposer)}</code></Figure>
      </Figures>
      <Table caption="Places" empty="The proposal changes no term." rows={proposal.places} columns={[
        { head: "Place", cell: ({ path }) => path },
        { head: "Now", cell: ({ present }) => present },
        { head: "Then", cell: ({ after }) => after },
      ]} />
      {signedIn && <Shown asked={effect} what="its effect on your accounts">{(found) => found !== undefined && (
        found.refusal === "" ? <Effect accounts={found.accounts} /> : <p>It could not take effect now: <Mark tone="bad">{found.refusal}</Mark></p>
      )}</Shown>}
    </article>
  );
}

const PATIENCE_MS = 60_000;

/** A node simulates one proposal a second, for all who ask together. A wallet asks its owner each time, so with one it is asked once. */
function effectOf(client: PageClient, number: Whole): Promise<EffectView> {
  const until = asksPerson(client.signer) ? 0 : Date.now() + PATIENCE_MS;
  return patient(() => client.effect(number), () => Date.now() < until);
}

/** Own accounts as they are, and as they would be if the proposal were enacted now. */
function Effect({ accounts }: { accounts: EffectView["accounts"] }) {
  const both = (before: string, after: string) => (before === after ? money(before) : <>{money(before)} → <b>{money(after)}</b></>);
  return (
    <>
      <h3>Effect on your accounts, if it took effect now</h3>
      <Table caption="Effect on your accounts" empty="You have no account." rows={accounts} columns={[
        { head: "Account", numeric: true, cell: ({ account }) => integer(account) },
        { head: "Equity", numeric: true, cell: ({ before, after }) => both(before.equity, after.equity) },
        { head: "Initial margin", numeric: true, cell: ({ before, after }) => both(before.initial, after.initial) },
        { head: "Maintenance margin", numeric: true, cell: ({ before, after }) => both(before.maintenance, after.maintenance) },
        { head: "Then", cell: ({ after }) => (after.liquidated ? <Mark tone="bad">liquidated</Mark> : after.called ? <Mark tone="part">called</Mark> : <Mark tone="good">in order</Mark>) },
      ]} />
    </>
  );
}

/** Counts down by this device's clock from the node's time. */
function Clock({ until, now }: { until: Whole; now: Whole }) {
  const [passed, setPassed] = useState(0);
  useEffect(() => {
    const begun = Date.now();
    setPassed(0);
    const timer = setInterval(() => setPassed(Date.now() - begun), 1000);
    return () => clearInterval(timer);
  }, [now]);
  const left = Number(until) - Number(now) - passed;
  return <time dateTime={new Date(Number(until)).toISOString()}>{left > 0 ? span(left) : "due"}</time>;
}
