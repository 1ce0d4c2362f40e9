import { useState } from "preact/hooks";
import { type SimulationView } from "../../../../client/typescript/src/index";
import { problemOf } from "../node/client";
import { type Session } from "../session";
import { useNewest } from "../ui/acts";
import { Choice, chosenOf } from "../ui/choice";
import { money, parsed } from "../ui/formats";
import { Panel, Table } from "../ui/parts";

/** Margin before and after a trade, a move of prices or a deposit; nothing is changed. */

export function WhatIf({ session, account }: { session: Session; account: number }) {
  const [answer, setAnswer] = useState<SimulationView | undefined>(undefined);
  const [problem, setProblem] = useState("");
  const begin = useNewest();
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const isNewest = begin();
    setProblem("");
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(form.get(name) ?? "").trim();
    try {
      const instrument = chosenOf(form, "instrument");
      if (!session.names.isListed(instrument)) throw new Error("The instrument is not listed.");
      const lots = text("lots") === "" ? 0n : parsed(text("lots"), 0);
      const move = text("move") === "" ? 0n : parsed(text("move"), 4);
      const shock = {
        trades: lots === 0n ? [] : [{ instrument, lots: String(lots) }],
        index: move === 0n ? [] : [{ feed: session.names.feedOf(instrument), move_ppm: Number(move) }],
      };
      const found = await session.client.simulateMargin(account, shock);
      if (isNewest()) setAnswer(found);
    } catch (error) {
      if (!isNewest()) return;
      setAnswer(undefined);
      setProblem(problemOf(error).words);
    }
  };
  const rows = answer === undefined ? [] : (["equity_micros", "initial_margin_micros", "maintenance_margin_micros"] as const).map((name) => ({ name, before: answer.before[name], after: answer.after[name] }));
  return (
    <Panel title="What if" note="Lots are added, negative to sell. The move is in per cent of the index.">
      <form onSubmit={(event) => void submit(event)} class="fields">
        <div><label for="if-instrument">Instrument</label><Choice id="if-instrument" name="instrument" options={session.names.listed()} /></div>
        <div><label for="if-lots">Lots</label><input id="if-lots" name="lots" inputMode="numeric" placeholder="0" /></div>
        <div><label for="if-move">Move of its index, %</label><input id="if-move" name="move" inputMode="decimal" placeholder="0" /></div>
        <button type="submit">Simulate</button>
      </form>
      <p class="problem" role="alert">{problem}</p>
      {answer !== undefined && (
        <div id="simulated" role="status">
          <Table caption="Before and after" empty="" rows={rows} columns={[
            { head: "Figure", cell: ({ name }) => name.replace("_micros", "").replaceAll("_", " ") },
            { head: "Before", numeric: true, cell: ({ before }) => money(before) },
            { head: "After", numeric: true, cell: ({ after }) => money(after) },
          ]} />
          <p>{answer.after.initial_ok ? "The account would meet its initial margin." : answer.after.maintenance_ok ? "The account would be below its initial margin: only what lowers its risk would be allowed." : "The account would be below its maintenance margin: it would be called."}</p>
        </div>
      )}
    </Panel>
  );
}
