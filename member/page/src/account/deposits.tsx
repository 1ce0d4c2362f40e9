import { type DepositView, type Frame } from "../../../../client/typescript/src/index";
import { type Asked, useAsked } from "../node/asked";
import { asksPerson } from "../node/keys";
import { decimalsOf } from "../node/live";
import { newestMatchingReceipts, type Receipt } from "../node/receipts";
import { type Session } from "../session";
import { integer, shortened, tokens } from "../ui/formats";
import { Mark, Shown, Table, type Tone } from "../ui/parts";

/** Deposits of the account so far, the newest first: how much of which token, and how far each came. */
export interface Deposited {
  readonly receipt: Receipt;
  /** How far one is that was not credited when it arrived. */
  readonly view: DepositView | undefined;
}

const ASKED_MAX = 16;
const isDeposit = ({ kind }: Receipt): boolean => kind === "DepositCredited" || kind === "DepositStray";
const keyOf = ({ details }: Receipt): string => `${String(details["chain_id"])} ${String(details["vault"])} ${String(details["nonce"])}`;

/** Asked again when the stream brings a receipt of a deposit. */
export function useDeposits(session: Session, account: number): Asked<readonly Deposited[]> {
  const every = asksPerson(session.client.signer) ? 0 : 10_000;
  const fold = (before: readonly Deposited[] | undefined, { kind, data }: Frame): readonly Deposited[] | undefined =>
    kind === "delta" && !isDeposit(data as Receipt) ? before : undefined;
  return useAsked(() => depositsOf(session, account), every, [session.client, account], { stream: session.own, topics: [`receipts:${account}`], fold });
}

async function depositsOf({ client }: Session, account: number): Promise<readonly Deposited[]> {
  const receipts = await newestMatchingReceipts((query) => client.receipts({ account, ...query }), isDeposit);
  // The newest receipt of a deposit says what became of it.
  const newest = [...new Map([...receipts].reverse().map((each) => [keyOf(each), each])).values()].reverse();
  let asked = 0;
  const out: Deposited[] = [];
  for (const receipt of newest) {
    const { chain_id, vault, nonce } = receipt.details;
    const isOpen = receipt.kind === "DepositStray" && (asked += 1) <= ASKED_MAX;
    out.push({ receipt, view: isOpen ? await client.deposit(String(chain_id), String(vault), String(nonce)) : undefined });
  }
  return out;
}

const TONES: Readonly<Record<string, Tone>> = { credited: "good", waiting: "part", refund_due: "part", refund_released: "part", refunded: "part" };

export function Deposits({ asked, session }: { asked: Asked<readonly Deposited[]>; session: Session }) {
  const { state } = session.live.live;
  const assets = state?.assets ?? [];
  const amountOf = ({ receipt: { details }, view }: Deposited): string => {
    if (details["units"] !== undefined) return tokens(String(details["units"]), decimalsOf(state, String(details["asset"])));
    return view?.amount === null || view?.amount === undefined ? "–" : tokens(view.amount, session.names.tokenAt(BigInt(String(details["chain_id"])), String(details["token"]))?.decimals);
  };
  const tokenOf = ({ receipt: { details } }: Deposited): string =>
    assets.find((each) => String(each.asset) === String(details["asset"]))?.name
    ?? session.names.tokenAt(BigInt(String(details["chain_id"])), String(details["token"]))?.name ?? shortened(String(details["token"] ?? ""));
  return (
    <Shown asked={asked} what="your deposits">{(list) => (
      <Table caption="Deposits" empty="Nothing was paid in for this account." rows={list} columns={[
        { head: "Token", cell: tokenOf },
        { head: "Amount", numeric: true, cell: amountOf },
        { head: "Number at its vault", numeric: true, cell: ({ receipt }) => integer(String(receipt.details["nonce"])) },
        { head: "Height", numeric: true, cell: ({ receipt }) => integer(receipt.height) },
        { head: "Step", cell: ({ receipt, view }) => {
          const step = receipt.kind === "DepositCredited" ? "credited" : view?.status ?? "not credited";
          return <><Mark tone={TONES[step] ?? "bad"}>{step.replaceAll("_", " ")}</Mark>{view !== undefined && view.status !== "credited" && ` ${view.reason ?? ""} ${view.next}`}</>;
        } },
      ]} />
    )}</Shown>
  );
}
