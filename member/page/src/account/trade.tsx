import { useState } from "preact/hooks";
import { type TradeBody, writeJson } from "../../../../client/typescript/src/index";
import { problemOf } from "../node/client";
import { type Session } from "../session";
import { useAct } from "../ui/acts";
import { Choice, chosenOf } from "../ui/choice";
import { integer, parsed, price, ticksOf, time } from "../ui/formats";
import { Panel } from "../ui/parts";
import { StopWaiting } from "../ui/waiting";
import { checkInstrument, checkSize, type Proposal, proposalIn } from "./proposal";
import { signedIn, submitted } from "./submitted";

/** A trade between two members: one proposes it signed, the other signs too and submits it. */
const LABEL = 4_000_000_000; // no venue of genesis has it

export function TradeForms({ session, account }: { session: Session; account: number }) {
  const [proposal, setProposal] = useState("");
  const [text, setText] = useState("");
  const propose = useAct(async (form, doing) => {
    setProposal(""); // what was signed before is not what the fields say now
    const buys = form.get("side") === "buy";
    const other = Number(parsed(String(form.get("other")), 0));
    const instrument = chosenOf(form, "instrument");
    checkInstrument(instrument, session.names);
    const bare: TradeBody = {
      type: "trade", venue: LABEL, venue_trade_id: Date.now(), buyer: buys ? account : other, seller: buys ? other : account,
      instrument, lots: String(parsed(String(form.get("lots")), 0)),
      price_ticks: String(ticksOf(String(form.get("price")), session.names.unit(session.names.feedOf(instrument)))), not_after_ms: session.client.notAfterMs(), buyer_signature: "", seller_signature: "",
    };
    checkSize(bare);
    setProposal(writeJson(await signedIn(session, bare, [buys ? "buyer_signature" : "seller_signature"], doing)));
  });
  const got = text.trim() === "" ? undefined : readProposal(text, account, session);
  const confirm = useAct(async (_, doing) => {
    const { trade, place } = proposalIn(text, account, session.names, Date.now()); // of the text whose words are shown
    await submitted(session, trade, [place], doing);
  });
  return (
    <Panel title="Trade" note="Propose a trade to another member and send it the text. It confirms by pasting the text here.">
      <form onSubmit={propose.submit} class="fields">
        <div><label for="t-side">Side</label><select id="t-side" name="side"><option value="buy">buy</option><option value="sell">sell</option></select></div>
        <div><label for="t-other">Other account</label><input id="t-other" name="other" inputMode="numeric" required /></div>
        <div><label for="t-instrument">Instrument</label><Choice id="t-instrument" name="instrument" options={session.names.listed()} /></div>
        <div><label for="t-lots">Lots</label><input id="t-lots" name="lots" inputMode="numeric" required /></div>
        <div><label for="t-price">Price</label><input id="t-price" name="price" inputMode="decimal" required /></div>
        <button type="submit" aria-disabled={propose.busy}>Sign the proposal</button>
        <StopWaiting act={propose} />
      </form>
      <p role="status">{propose.outcome}</p>
      <p class="problem" role="alert">{propose.problem}</p>
      {proposal !== "" && <><label for="t-proposal">Send this to the other member</label><textarea id="t-proposal" rows={4} readOnly value={proposal} /></>}
      <form onSubmit={confirm.submit}>
        <label for="t-confirm">A proposal that you got</label>
        <textarea id="t-confirm" rows={4} required spellcheck={false} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <div id="t-read" role="status">
          {typeof got === "string" ? <p class="problem">{got}</p> : got !== undefined && <Words proposal={got} session={session} />}
        </div>
        {typeof got === "object" && <button type="submit" aria-disabled={confirm.busy}>Sign and submit</button>}
        <StopWaiting act={confirm} />
      </form>
      <p role="status" id="trade-outcome">{confirm.outcome}</p>
      <p class="problem" role="alert">{confirm.problem}</p>
    </Panel>
  );
}

/** The proposal, or why it cannot be signed. */
function readProposal(text: string, account: number, session: Session): Proposal | string {
  try {
    return proposalIn(text, account, session.names, Date.now());
  } catch (error) {
    return problemOf(error).words;
  }
}

/** What is signed, every field of it, in plain words. */
function Words({ proposal: { trade, place }, session: { names } }: { proposal: Proposal; session: Session }) {
  const buys = place === "buyer_signature";
  const other = buys ? trade.seller : trade.buyer;
  const [unit, ticks] = [names.unit(names.feedOf(trade.instrument)), `${integer(trade.price_ticks)} ticks`];
  const money = unit > 0 ? `${price(trade.price_ticks, unit)} ${names.currencyOf(trade.instrument)}` : ticks;
  return (
    <>
      <p>You {buys ? "buy" : "sell"} {integer(trade.lots)} {trade.lots === "1" ? "lot" : "lots"} of {names.instrument(trade.instrument)} {buys ? "from" : "to"} account {String(other)} at {money}.</p>
      <dl class="pairs">
        <dt>Kind</dt><dd>trade between two members, novated by the next block that takes it</dd>
        <dt>Buyer</dt><dd>account {String(trade.buyer)}{buys ? ", you" : ", has signed"}</dd>
        <dt>Seller</dt><dd>account {String(trade.seller)}{buys ? ", has signed" : ", you"}</dd>
        <dt>Instrument</dt><dd>{names.instrument(trade.instrument)}, number {trade.instrument}</dd>
        <dt>Lots</dt><dd>{integer(trade.lots)}</dd>
        <dt>Price</dt><dd>{money}{unit > 0 && `, which is ${ticks}`}</dd>
        <dt>Valid until</dt><dd>{time(trade.not_after_ms)}</dd>
        <dt>Number of the trade</dt><dd>{String(trade.venue_trade_id)} under the label {String(trade.venue)}: it is novated once</dd>
      </dl>
    </>
  );
}
