import { useAsked } from "../node/asked";
import { useLive } from "../node/live";
import { type Session } from "../session";
import { Chart } from "../ui/chart";
import { integer, percent, price, shortened, span, time } from "../ui/formats";
import { Figure, Figures, Loading, Mark, Panel, Shown, Table, type Tone } from "../ui/parts";

/** Heights, validators, peers, the node's readiness with its chains and sources, and the agreed prices. */
export function Network({ session }: { session: Session }) {
  const { state, seen } = useLive(session.live);
  const validators = useAsked(() => session.client.validators(), 10_000, [session.client]);
  const peers = useAsked(() => session.client.peers(), 5_000, [session.client]);
  const readiness = useAsked(() => session.client.readiness(), 5_000, [session.client]);
  if (state === undefined) return <Loading what="the newest height" />;
  const [first, last] = [seen[0], seen[seen.length - 1]];
  const pace = first !== undefined && last !== undefined && last.height > first.height ? (last.timeMs - first.timeMs) / (last.height - first.height) : undefined;
  const rungs: Record<string, Tone> = { usable: "good", no_new_risk: "part" };
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
        </Figures>
        {seen.length > 1 && <Chart label="Milliseconds from a block's time to this page" along={seen.map(({ timeMs }) => timeMs / 1000)} lines={[{ name: "ms from block to page", values: seen.map(({ delayMs }) => delayMs) }]} />}
      </Panel>
      <Panel title="Prices" note="The index that the validators agreed on. A feed without an open price takes no new risk, then liquidates nothing, then settles at the last good price.">
        <Table caption="Agreed prices" empty="No feed is listed." rows={state.prices ?? []} columns={[
          { head: "Feed", cell: ({ name }) => name },
          { head: "Index", numeric: true, cell: ({ feed, index_ticks }) => price(index_ticks, session.names.unit(feed)) },
          { head: "Uncertainty", numeric: true, cell: ({ index_ticks, confidence_ticks }) => percent(Math.round((1e6 * Number(confidence_ticks ?? "0")) / Math.max(Number(index_ticks), 1)), 3) },
          { head: "Status", cell: ({ status, rung }) => <Mark tone={status === "open" ? rungs[rung ?? "usable"] ?? "bad" : "bad"}>{status}{rung === "usable" || rung === undefined ? "" : `, ${rung.replaceAll("_", " ")}`}</Mark> },
        ]} />
        {seen.length > 1 && (state.prices ?? []).map(({ feed, name }) => (
          <Chart label={`${name} since this page was opened`} along={seen.map(({ timeMs }) => timeMs / 1000)} lines={[{ name, values: seen.map(({ index }) => (index.get(Number(feed)) ?? 0) / (session.names.unit(feed) || 1)) }]} />
        ))}
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
