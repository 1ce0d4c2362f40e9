import { useState } from "preact/hooks";
import { type MemberStatement, writeJson } from "../../../../client/typescript/src/index";
import { problemOf } from "../node/client";
import { type Session } from "../session";
import { useNewest } from "../ui/acts";
import { integer, money, time } from "../ui/formats";
import { Mark, Panel, Table } from "../ui/parts";
import { saved } from "../ui/saved";

/** Daily statements of all accounts of the member: the days that a node keeps, each shown and saved. */
const DAY_MS = 86_400_000;
const DAYS = 3; // a node keeps today's and the last ones

export function Statements({ session }: { session: Session }) {
  const [view, setView] = useState<MemberStatement | undefined>(undefined);
  const [problem, setProblem] = useState("");
  const begin = useNewest();
  const now = Number(session.live.live.state?.time_ms ?? Date.now());
  const days = Array.from({ length: DAYS }, (_, back) => new Date(now - back * DAY_MS).toISOString().slice(0, 10));
  const ask = async (day: string): Promise<MemberStatement | undefined> => {
    const isNewest = begin();
    try {
      const answer = await session.client.statement(day);
      if (!isNewest()) return undefined;
      setView(answer);
      setProblem("");
      return answer;
    } catch (error) {
      if (!isNewest()) return undefined;
      setView(undefined);
      setProblem(problemOf(error).words);
      return undefined;
    }
  };
  const save = async (day: string): Promise<void> => {
    const answer = await ask(day);
    if (answer !== undefined) saved(`statement-${answer.member}-${answer.day}.json`, writeJson(answer));
  };
  return (
    <Panel title="Statements" note="A day of all your accounts, in UTC by the time of blocks: balances, positions, fees and the margin at its close. A node keeps the newest days: save them.">
      <Table caption="Days" empty="" rows={days} columns={[
        { head: "Day", cell: (day) => day },
        { head: "Statement", cell: (day) => (
          <span class="row">
            <button type="button" aria-label={`Show the statement of ${day}`} onClick={() => void ask(day)}>Show</button>
            <button type="button" aria-label={`Save the statement of ${day}`} onClick={() => void save(day)}>Save</button>
          </span>
        ) },
      ]} />
      <p class="problem" role="alert">{problem}</p>
      {view !== undefined && <Day view={view} />}
    </Panel>
  );
}

function Day({ view }: { view: MemberStatement }) {
  return (
    <div id="statement" role="status">
      <p>
        {view.day}, heights {integer(view.first_height)} to {integer(view.last_height)}, last block {time(view.last_time_ms)}.{" "}
        <Mark tone={view.complete ? "good" : "part"}>{view.complete ? "the whole day" : "not the whole day"}</Mark>
      </p>
      {view.accounts.map(({ account, balances, positions, fees, margin }) => (
        <>
          <h3>Account {integer(account)}</h3>
          <Table caption={`Balances of account ${account}`} empty="It had nothing." rows={balances} columns={[
            { head: "Currency", cell: ({ currency }) => currency },
            { head: "Opening", numeric: true, cell: ({ unit, opening }) => amount(opening, unit) },
            { head: "Credits", numeric: true, cell: ({ unit, credits }) => amount(credits, unit) },
            { head: "Debits", numeric: true, cell: ({ unit, debits }) => amount(debits, unit) },
            { head: "Closing", numeric: true, cell: ({ unit, closing }) => amount(closing, unit) },
          ]} />
          <Table caption={`Positions of account ${account}`} empty="It had no position." rows={positions} columns={[
            { head: "Instrument", cell: ({ name }) => name },
            { head: "Opening lots", numeric: true, cell: ({ opening_lots }) => integer(opening_lots) },
            { head: "Change", numeric: true, cell: ({ change_lots }) => integer(change_lots) },
            { head: "Closing lots", numeric: true, cell: ({ closing_lots }) => integer(closing_lots) },
          ]} />
          {fees.length > 0 && <p>Fees: {fees.map(({ currency, code, paid }) => `${code} ${money(paid)} ${currency}`).join(", ")}.</p>}
          {margin !== null && <p>At the close: equity {money(margin.equity_micros)}, initial margin {money(margin.initial_margin_micros)}, maintenance margin {money(margin.maintenance_margin_micros)}.</p>}
        </>
      ))}
    </div>
  );
}

/** Micros of a currency, or clearing units of a token, as the statement says. */
const amount = (text: string, unit: string): string => (unit === "micros" ? money(text) : integer(text));
