import { useAsked } from "../node/asked";
import { useLive } from "../node/live";
import { type Session } from "../session";
import { integer } from "../ui/formats";
import { Mark, Panel, Shown, Table } from "../ui/parts";
import { accountName } from "./accounts";

/** Early calls and margin calls under way, of all accounts. */
export function CallsUnderWay({ session, everyMs }: { session: Session; everyMs: number }) {
  const { state } = useLive(session.live);
  const calls = useAsked(() => session.client.calls(), everyMs, [session.client], { stream: session.own, topics: ["calls"] });
  const height = Number(state?.height ?? 0);
  return (
    <Panel title="Calls under way" note="An early call says that a breach is likely; it forces nothing. A margin call has a deadline.">
      <Shown asked={calls} what="calls">{(view) => (
        <Table caption="Calls under way" empty="No account is called." rows={view.calls} columns={[
          { head: "Account", cell: ({ account }) => accountName(account) },
          { head: "Call", cell: ({ kind }) => <Mark tone={kind === "early" ? "part" : "bad"}>{kind === "early" ? "early" : "margin"}</Mark> },
          { head: "Since height", numeric: true, cell: ({ opened_height }) => integer(opened_height) },
          { head: "Until height", numeric: true, cell: ({ deadline_height }) => integer(deadline_height) },
          { head: "Blocks left", numeric: true, cell: ({ deadline_height, lapsed }) => (lapsed ? <Mark tone="bad">lapsed</Mark> : integer(Math.max(0, Number(deadline_height) - height))) },
        ]} />
      )}</Shown>
    </Panel>
  );
}
