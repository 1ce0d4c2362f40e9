import { useState } from "preact/hooks";
import { type TradeBody } from "../../../../client/typescript/src/index";
import { type Session } from "../session";
import { useAct } from "../ui/acts";
import { Choice, chosenOf } from "../ui/choice";
import { parsed, ticksOf } from "../ui/formats";
import { Panel } from "../ui/parts";
import { signedIn, submitted } from "./submitted";

/** A trade between two members: one proposes it signed, the other signs too and submits it. */
const LABEL = 4_000_000_000; // no venue of genesis has it

export function TradeForms({ session, account }: { session: Session; account: number }) {
  const [proposal, setProposal] = useState("");
  const propose = useAct(async (form) => {
    setProposal(""); // what was signed before is not what the fields say now
    const buys = form.get("side") === "buy";
    const other = Number(parsed(String(form.get("other")), 0));
    const instrument = chosenOf(form, "instrument");
    if (!session.names.isListed(instrument)) throw new Error("The instrument is not listed.");
    const feed = session.names.feedOf(instrument);
    if (!session.names.isPriced(feed)) throw new Error("The unit of the price is not known yet. Try again in a moment.");
    const bare: TradeBody = {
      type: "trade", venue: LABEL, venue_trade_id: Date.now(), buyer: buys ? account : other, seller: buys ? other : account,
      instrument, lots: String(parsed(String(form.get("lots")), 0)),
      price_ticks: String(ticksOf(String(form.get("price")), session.names.unit(feed))), not_after_ms: session.client.notAfterMs(), buyer_signature: "", seller_signature: "",
    };
    setProposal(JSON.stringify(await signedIn(session, bare, places(bare, account))));
  });
  const confirm = useAct(async (form, tell) => {
    const given = read(String(form.get("proposal")));
    if (given.buyer !== account && given.seller !== account) throw new Error("The proposal is between other accounts.");
    await submitted(session, given, places(given, account), tell);
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
      </form>
      <p class="problem" role="alert">{propose.problem}</p>
      {proposal !== "" && <><label for="t-proposal">Send this to the other member</label><textarea id="t-proposal" rows={4} readOnly value={proposal} /></>}
      <form onSubmit={confirm.submit}>
        <label for="t-confirm">A proposal that you got</label>
        <textarea id="t-confirm" name="proposal" rows={4} required spellcheck={false} />
        <button type="submit" aria-disabled={confirm.busy}>Sign and submit</button>
      </form>
      <p role="status" id="trade-outcome">{confirm.outcome}</p>
      <p class="problem" role="alert">{confirm.problem}</p>
    </Panel>
  );
}

function read(text: string): TradeBody {
  let tree: unknown;
  try {
    tree = JSON.parse(text);
  } catch {
    throw new Error("The text is no proposal.");
  }
  const given = tree as TradeBody | null;
  if (given?.type !== "trade") throw new Error("The text is no proposal.");
  return given; // each field is checked when it is signed
}

/** The places of the own signatures: both, for who trades with itself. */
const places = ({ buyer, seller }: TradeBody, account: number): ("buyer_signature" | "seller_signature")[] => [
  ...(buyer === account ? (["buyer_signature"] as const) : []),
  ...(seller === account ? (["seller_signature"] as const) : []),
];
