import { useAsked } from "../node/asked";
import { useLive } from "../node/live";
import { type Session } from "../session";
import { Chart } from "../ui/chart";
import { integer, percent, price, shortened, span, time, words } from "../ui/formats";
import { Figure, Figures, Loading, Mark, Panel, Shown, Table, type Tone } from "../ui/parts";

/** Heights, validators, peers, the node's readiness with its chains and sources, and the agreed prices. */
export function Network({ session }: { session: Session }) {
  const { state, seen } = useLive(session.live);
  const validators = useAsked(() => session.client.validators(), 10_000, [session.client]);
  const peers = useAsked(() => session.client.peers(), 5_000, [session.client]);
  const newest = useAsked(() => session.client.header("latest"), 2_000, [session.client], { stream: session.live.stream, topics: ["heights"] });
  const observed = useAsked(() => session.client.observed(), 5_000, [session.client]);
  const readiness = useAsked(() => session.client.readiness(), 5_000, [session.client]);
  if (state === undefined) return <Loading what="the newest height" />;
  const [first, last] = [seen[0], seen[seen.length - 1]];
  const pace = first !== undefined && last !== undefined && last.height > first.height ? (last.timeMs - first.timeMs) / (last.height - first.height) : undefined;
  const rungs: Record<string, Tone> = { usable: "good", no_new_risk: "part" };
  const feedOf = (feed: number) => observed.answer?.feeds.find((each) => Number(each.feed) === feed);
  const reportsOf = (feed: number): string => {
    const found = feedOf(feed);
    return found === undefined ? "–" : `${integer(found.reporting)} of ${integer(observed.answer?.validators ?? 0)}`;
  };
  const spreadOf = (feed: number): string => {
    const found = feedOf(feed);
    if (found === undefined || found.lowest_ticks === "0") return "–";
    return percent((1_000_000n * (BigInt(found.highest_ticks) - BigInt(found.lowest_ticks))) / BigInt(found.lowest_ticks), 3);
  };
  return (
    <>
      <Panel title="Newest height">
        <Figures>
          <Figure name="Height"><span id="height">{integer(state.height)}</span></Figure>
          <Figure name="Decided">{time(state.time_ms)}</Figure>
          <Figure name="From block to page">{last === undefined ? "–" : `${integer(last.delayMs)} ms`}</Figure>
          <Figure name="Time between heights">{pace === undefined ? "–" : `${integer(Math.round(pace))} ms`}</Figure>
          <Figure name="Epoch">{integer(state.epoch)}</Figure>
          <Figure name="Validators">{integer(state.validators)}</Figure>
          <Figure name="Signed by">{newest.answer === undefined ? "–" : `${integer(newest.answer.signers.length)} of ${integer(state.validators)}`}</Figure>
          <Figure name="Decided in round" {...(newest.answer !== undefined && Number(newest.answer.round) > 0 ? { tone: "part" as const } : {})}>{newest.answer === undefined ? "–" : integer(Number(newest.answer.round) + 1)}</Figure>
        </Figures>
        {seen.length > 1 && <Chart label="Milliseconds from a block's time to this page" along={seen.map(({ timeMs }) => timeMs / 1000)} lines={[{ name: "ms from block to page", values: seen.map(({ delayMs }) => delayMs) }]} />}
      </Panel>
      <Panel title="Prices" note="The index that the validators agreed on. A feed without an open price takes no new risk, then liquidates nothing, then settles at the last good price.">
        <Table caption="Agreed prices" empty="No feed is listed." rows={state.prices ?? []} columns={[
          { head: "Feed", cell: ({ name }) => name },
          { head: "Index", numeric: true, cell: ({ feed, index_ticks }) => price(index_ticks, session.names.unit(feed)) },
          { head: "Uncertainty", numeric: true, cell: ({ index_ticks, confidence_ticks }) => percent(Math.round((1e6 * Number(confidence_ticks ?? "0")) / Math.max(Number(index_ticks), 1)), 3) },
          { head: "Reports", numeric: true, cell: ({ feed }) => reportsOf(Number(feed)) },
          { head: "Spread of reports", numeric: true, cell: ({ feed }) => spreadOf(Number(feed)) },
          { head: "Status", cell: ({ status, rung }) => <Mark tone={status === "open" ? rungs[rung ?? "usable"] ?? "bad" : "bad"}>{status}{rung === "usable" || rung === undefined ? "" : `, ${rung.replaceAll("_", " ")}`}</Mark> },
        ]} />
        {seen.length > 1 && (state.prices ?? []).map(({ feed, name }) => (
          <Chart label={`${name} since this page was opened`} along={seen.map(({ timeMs }) => timeMs / 1000)} lines={[{ name, values: seen.map(({ index }) => (index.get(Number(feed)) ?? 0) / (session.names.unit(feed) || 1)) }]} />
        ))}
      </Panel>
      <Panel title="Sources of prices" note="What this node makes its reports of: each source of a feed, and whether it counts. Other nodes have sources of their own.">
        <Shown asked={observed} what="its sources">{(view) => (
          <Table caption="Sources of prices" empty="This node has no sources of its own." rows={view.feeds.flatMap(({ name: feed, sources }) => (sources ?? []).map((source) => ({ feed, ...source })))} columns={[
            { head: "Feed", cell: ({ feed }) => feed },
            { head: "Source", cell: ({ name }) => name },
            { head: "Age", numeric: true, cell: ({ age_ms }) => (age_ms === null ? "no price" : `${integer(age_ms)} ms`) },
            { head: "Verdict", cell: ({ verdict, code }) => <Mark tone={verdict === "usable" ? "good" : "bad"}>{words(verdict)}{code === undefined || code === "" ? "" : ` (${code})`}</Mark> },
          ]} />
        )}</Shown>
      </Panel>
      <Panel title="Chains" note="What the validators agree on: the highest final block of each chain, and the block of the oldest counters of its vault.">
        <Shown asked={observed} what="its chains">{(view) => (
          <Table caption="Chains" empty="No chain is listed." rows={view.chains} columns={[
            { head: "Chain", cell: ({ name, chain_id }) => `${name} (${chain_id})` },
            { head: "Final block", numeric: true, cell: ({ final_block }) => integer(final_block) },
            { head: "Seen to advance", numeric: true, cell: ({ seen_ms }) => (Number(seen_ms) === 0 ? "not yet" : `${span(Number(view.time_ms) - Number(seen_ms))} ago`) },
            { head: "Reported by", numeric: true, cell: ({ reporting }) => <Mark tone={3 * Number(reporting) > 2 * Number(view.validators) ? "good" : "bad"}>{integer(reporting)} of {integer(view.validators)}</Mark> },
            { head: "Custody at block", numeric: true, cell: ({ custody_block }) => (Number(custody_block) === 0 ? "not yet" : integer(custody_block)) },
            { head: "Vault", cell: ({ vault, detached }) => <><code title={vault}>{shortened(vault)}</code>{detached && <Mark tone="bad"> detached</Mark>}</> },
          ]} />
        )}</Shown>
      </Panel>
      <Panel title="This node" note="Each condition that the node must meet to do its work: peers, blocks, sources of prices, and for each chain its finality and custody.">
        <Shown asked={readiness} what="its readiness">{({ ready, checks }) => (
          <>
            <p><Mark tone={ready ? "good" : "bad"}>{ready ? "ready" : "not ready"}</Mark></p>
            <Table caption="Conditions" empty="The node states no condition." rows={checks} columns={[
              { head: "Condition", cell: ({ name }) => name },
              { head: "Met", cell: ({ ok }) => <Mark tone={ok ? "good" : "bad"}>{ok ? "yes" : "no"}</Mark> },
              { head: "Detail", cell: ({ detail }) => detail ?? "" },
            ]} />
          </>
        )}</Shown>
      </Panel>
      <Panel title="Peers">
        <Shown asked={peers} what="its peers">{(view) => (
          <Table caption="Peers" empty="No peer may connect." rows={view.peers} columns={[
            { head: "Key", cell: ({ key }) => <code title={key}>{shortened(key)}</code> },
            { head: "Role", cell: ({ role }) => role },
            { head: "Connected", cell: ({ connected }) => <Mark tone={connected ? "good" : "bad"}>{connected ? "yes" : "no"}</Mark> },
            { head: "Round trip", numeric: true, cell: ({ rtt_ms }) => `${integer(rtt_ms)} ms` },
            { head: "Score", numeric: true, cell: ({ score }) => integer(score) },
            { head: "Last fault", cell: ({ last_fault, banned_ms }) => (banned_ms > 0 ? `${last_fault}, banned for ${span(banned_ms)}` : last_fault) },
          ]} />
        )}</Shown>
      </Panel>
      <Panel title="Validators">
        <Shown asked={validators} what="the validator set">{(view) => (
          <Table caption="Validators" empty="There is no validator." rows={view.validators} columns={[
            { head: "Key", cell: ({ envelope_key }) => <code title={envelope_key}>{shortened(envelope_key)}</code> },
            { head: "Power", numeric: true, cell: ({ power }) => integer(power) },
            { head: "Share", numeric: true, cell: ({ power }) => percent(Math.floor((1e6 * Number(power)) / Number(view.total_power))) },
          ]} />
        )}</Shown>
      </Panel>
    </>
  );
}
