import { useState } from "preact/hooks";
import { type Session } from "../session";
import { parsed, ticksOf } from "../ui/formats";
import { Panel } from "../ui/parts";
import { submitted, VALID_MS } from "./submitted";

/** A trade between two members: one proposes it signed, the other signs too and submits it. */
const TRADE = "Trade(uint64 venue,uint64 venueTradeId,uint64 buyer,uint64 seller,uint32 instrument,uint64 lots,uint64 ticks,uint64 notAfterMs)";
const LABEL = 4_000_000_000; // no venue of genesis has it

interface Proposal {
  readonly type: "trade";
  readonly venue: number;
  readonly venue_trade_id: number;
  readonly buyer: number;
  readonly seller: number;
  readonly instrument: number;
  readonly lots: string;
  readonly price_ticks: string;
  readonly not_after_ms: number;
  readonly buyer_signature?: string;
  readonly seller_signature?: string;
}

export function TradeForms({ session, account }: { session: Session; account: number }) {
  const [proposal, setProposal] = useState("");
  const [told, setTold] = useState("");
  const [problem, setProblem] = useState("");
  const guarded = (act: (form: FormData) => Promise<void>) => (event: SubmitEvent): void => {
    event.preventDefault();
    setProblem("");
    setTold("");
    act(new FormData(event.currentTarget as HTMLFormElement)).catch((error: unknown) => setProblem(error instanceof Error ? error.message : String(error)));
  };
  const propose = guarded(async (form) => {
    const buys = form.get("side") === "buy";
    const other = Number(parsed(String(form.get("other")), 0));
    const instrument = Number(form.get("instrument"));
    const bare: Proposal = {
      type: "trade", venue: LABEL, venue_trade_id: Date.now(), buyer: buys ? account : other, seller: buys ? other : account,
      instrument, lots: String(parsed(String(form.get("lots")), 0)),
      price_ticks: String(ticksOf(String(form.get("price")), session.names.unit(session.names.feedOf(instrument)))), not_after_ms: Date.now() + VALID_MS,
    };
    setProposal(JSON.stringify(await signed(session, bare, account)));
  });
  const confirm = guarded(async (form) => {
    const given = read(String(form.get("proposal")));
    if (given.buyer !== account && given.seller !== account) throw new Error("The proposal is between other accounts.");
    await submitted(session, await signed(session, given, account), setTold);
  });
  return (
    <Panel title="Trade" note="Propose a trade to another member and send it the text. It confirms by pasting the text here.">
      <form onSubmit={propose} class="fields">
        <div><label for="t-side">Side</label><select id="t-side" name="side"><option value="buy">buy</option><option value="sell">sell</option></select></div>
        <div><label for="t-other">Other account</label><input id="t-other" name="other" inputMode="numeric" required /></div>
        <div><label for="t-instrument">Instrument</label><select id="t-instrument" name="instrument">{session.names.listed().map(([id, name]) => <option value={id}>{name}</option>)}</select></div>
        <div><label for="t-lots">Lots</label><input id="t-lots" name="lots" inputMode="numeric" required /></div>
        <div><label for="t-price">Price</label><input id="t-price" name="price" inputMode="decimal" required /></div>
        <button type="submit">Sign the proposal</button>
      </form>
      {proposal !== "" && <><label for="t-proposal">Send this to the other member</label><textarea id="t-proposal" rows={4} readOnly value={proposal} /></>}
      <form onSubmit={confirm}>
        <label for="t-confirm">A proposal that you got</label>
        <textarea id="t-confirm" name="proposal" rows={4} required spellcheck={false} />
        <button type="submit">Sign and submit</button>
      </form>
      <p role="status" id="trade-told">{told}</p>
      <p class="problem" role="alert">{problem}</p>
    </Panel>
  );
}

function read(text: string): Proposal {
  let tree: unknown;
  try {
    tree = JSON.parse(text);
  } catch {
    throw new Error("The text is no proposal.");
  }
  const given = tree as Record<string, unknown>;
  const numbers = ["venue", "venue_trade_id", "buyer", "seller", "instrument", "not_after_ms"];
  const whole = numbers.every((name) => Number.isSafeInteger(given[name])) && ["lots", "price_ticks"].every((name) => /^[0-9]{1,19}$/.test(String(given[name])));
  if (given["type"] !== "trade" || !whole) throw new Error("The text is no proposal.");
  return given as unknown as Proposal;
}

/** With the own signature; an account on both sides signs both. */
async function signed(session: Session, trade: Proposal, account: number): Promise<Proposal> {
  const { network } = await session.client.get("/v1/state");
  const values = {
    venue: BigInt(trade.venue), venueTradeId: BigInt(trade.venue_trade_id), buyer: BigInt(trade.buyer), seller: BigInt(trade.seller),
    instrument: BigInt(trade.instrument), lots: BigInt(trade.lots), ticks: BigInt(trade.price_ticks), notAfterMs: BigInt(trade.not_after_ms),
  };
  const signature = await session.signer?.sign(network, { declaration: TRADE, values });
  if (signature === undefined) throw new Error("Sign in first.");
  return {
    ...trade,
    ...(trade.buyer === account ? { buyer_signature: signature } : {}),
    ...(trade.seller === account ? { seller_signature: signature } : {}),
  };
}
