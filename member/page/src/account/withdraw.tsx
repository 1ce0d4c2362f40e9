import { type Whole, type WithdrawalBody } from "../../../../client/typescript/src/index";
import { asksPerson } from "../node/keys";
import { useAsked } from "../node/asked";
import { decimalsOf } from "../node/live";
import { type Session } from "../session";
import { useAct } from "../ui/acts";
import { Choice, chosenOf } from "../ui/choice";
import { integer, parsed, shortened, tokens } from "../ui/formats";
import { Mark, Panel, Shown, Table } from "../ui/parts";
import { StopWaiting } from "../ui/waiting";
import { byOwner, submitted } from "./submitted";

/** Withdrawals of the account, step by step, and a new one. */
interface Step {
  readonly asset: Whole;
  readonly amount_units: string;
  readonly to: string;
  readonly step: string;
  readonly tone: "good" | "part" | "bad";
}

const ENDS = { paid: "paid", refunded: "not paid in time, back in the account" } as const;

export function Withdrawals({ session, account }: { session: Session; account: number }) {
  const every = asksPerson(session.client.signer) ? 0 : 3_000;
  const asked = useAsked(() => session.client.withdrawals(account), every, [session.client, account], { stream: session.own, topics: [`receipts:${account}`] });
  const { state } = session.live.live;
  const assets = state?.assets ?? [];
  const name = (asset: Whole): string => assets.find((each) => each.asset === asset)?.name ?? `asset ${asset}`;
  const act = useAct(async (form, doing) => {
    const asset = chosenOf(form, "asset");
    const decimals = decimalsOf(state, asset);
    if (decimals === undefined) throw new Error("The token is not listed.");
    const units = parsed(String(form.get("amount")), decimals);
    const to = String(form.get("to")).trim().toLowerCase();
    if (units <= 0n) throw new Error("The amount is above zero.");
    if (!/^0x[0-9a-f]{40}$/.test(to)) throw new Error("The address has 0x and 40 hexadecimal digits.");
    const nonce = await byOwner(session, doing, () => session.client.nextNonce(account));
    const bare: WithdrawalBody = { type: "withdrawal", account, asset, amount_units: String(units), to, nonce, not_after_ms: session.client.notAfterMs(), signature: "" };
    await submitted(session, bare, ["signature"], doing);
    asked.again();
  });
  return (
    <Panel title="Withdraw" note="The network releases the withdrawal when it passes every gate; the vault on the token's chain pays it after the next checkpoint there.">
      <form onSubmit={act.submit} class="fields">
        <div><label for="w-asset">Token</label><Choice id="w-asset" name="asset" options={assets.map(({ asset, name: each }) => [Number(asset), each] as const)} /></div>
        <div><label for="w-amount">Amount</label><input id="w-amount" name="amount" inputMode="decimal" required /></div>
        <div><label for="w-to">Address</label><input id="w-to" name="to" spellcheck={false} required /></div>
        <button type="submit" aria-disabled={act.busy}>Sign and submit</button>
        <StopWaiting act={act} />
      </form>
      <p role="status" id="withdraw-outcome">{act.outcome}</p>
      <p class="problem" role="alert">{act.problem}</p>
      <Shown asked={asked} what="your withdrawals">{(view) => {
        const steps: Step[] = [
          ...(view.waiting ?? []).map((each) => ({ ...each, step: `waits until height ${integer(each.due_height)}`, tone: "part" as const })),
          ...(view.released ?? []).map((each) => ({ ...each, step: each.overdue ? "released, not paid in time" : "released, the vault may pay", tone: each.overdue ? ("bad" as const) : ("part" as const) })),
          ...(view.ended ?? []).map((each) => ({ ...each, step: ENDS[each.status], tone: each.status === "paid" ? ("good" as const) : ("part" as const) })),
        ];
        return (
          <Table caption="Withdrawals" empty="You have asked for no withdrawal." rows={steps} columns={[
            { head: "Token", cell: ({ asset }) => name(asset) },
            { head: "Amount", numeric: true, cell: ({ asset, amount_units }) => tokens(amount_units, decimalsOf(state, asset)) },
            { head: "To", cell: ({ to }) => <code title={to}>{shortened(to)}</code> },
            { head: "Step", cell: ({ step, tone }) => <Mark tone={tone}>{step}</Mark> },
          ]} />
        );
      }}</Shown>
    </Panel>
  );
}
