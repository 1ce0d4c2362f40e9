import { type ComponentType } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useAsked } from "./node/asked";
import { PageClient } from "./node/client";
import { asksPerson, type Signer } from "./node/keys";
import { LiveState, useLive } from "./node/live";
import { PageStream } from "./node/stream";
import { Account } from "./pages/account";
import { Governance } from "./pages/governance";
import { Network } from "./pages/network";
import { Risk } from "./pages/risk";
import { Solvency } from "./pages/solvency";
import { Names, type Session } from "./session";
import { integer } from "./ui/formats";
import { Contained, Mark } from "./ui/parts";

/** The frame around every view: names of the views, the newest height, and whether the node is reached. */
const VIEWS: readonly (readonly [string, string, ComponentType<{ session: Session }>])[] = [
  ["network", "Network", Network],
  ["solvency", "Solvency", Solvency],
  ["account", "Account", Account],
  ["risk", "Risk", Risk],
  ["governance", "Governance", Governance],
];

const shownView = (): string => {
  const asked = location.hash.replace(/^#\/?/, "");
  return VIEWS.some(([path]) => path === asked) ? asked : "network";
};

const anonymous = new PageClient();
const stream = new PageStream(() => new PageClient(), ["heights", "marks", "epochs", "governance"]);
const live = new LiveState(anonymous, stream);
void live.run();
void stream.run();

/** The stream of a member. A wallet asks its owner for each signature, so it opens none. */
function ownStream(own: { readonly signer: Signer; readonly account: number } | undefined): PageStream | undefined {
  if (own === undefined || asksPerson(own.signer)) return undefined;
  const topics = ["calls", "liquidations", "sales", "defaults", "fund", `account:${own.account}`, `receipts:${own.account}`];
  return new PageStream(() => new PageClient(own.signer, live.live.state?.network), topics);
}

export function App() {
  const [view, setView] = useState(shownView());
  const [own, setOwn] = useState<{ readonly signer: Signer; readonly account: number } | undefined>(undefined);
  const ended = useRef(new WeakSet<Signer>());
  const { state, problem, streams } = useLive(live);
  const terms = useAsked(() => anonymous.ask<unknown>("GET", "/v1/governance/terms"), 60_000, [], { stream, topics: ["governance"] });
  useEffect(() => {
    const turn = (): void => {
      setView(shownView());
      document.getElementById("main")?.focus();
    };
    addEventListener("hashchange", turn);
    return () => removeEventListener("hashchange", turn);
  }, []);
  const signedIn = useRef(own !== undefined);
  useEffect(() => {
    // The button that was pressed went with its panel, and the keyboard's place with it.
    if (signedIn.current !== (own !== undefined) && document.activeElement === document.body) document.getElementById("main")?.focus();
    signedIn.current = own !== undefined;
  }, [own]);
  const units = JSON.stringify(state?.prices?.map(({ feed, ticks_per_unit }) => [feed, ticks_per_unit]));
  const names = useMemo(() => new Names(terms.answer, state?.prices), [terms.answer, units]);
  const client = useMemo(() => (own === undefined ? anonymous : new PageClient(own.signer)), [own]);
  const events = useMemo(() => ownStream(own), [own]);
  useEffect(() => {
    void events?.run();
    return () => events?.stop();
  }, [events]);
  const session: Session = {
    client, live, names, terms, own: events, account: own?.account,
    signIn: (signer, account) => setOwn({ signer, account }),
    signOut: () => {
      if (own !== undefined) ended.current.add(own.signer);
      setOwn(undefined);
    },
    hasEnded: (signer) => ended.current.has(signer),
  };
  const [, title, View] = VIEWS.find(([path]) => path === view) ?? VIEWS[0]!;
  useEffect(() => void (document.title = `${title} – crossclear`), [title]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
      <header>
        <h1>crossclear</h1>
        <nav aria-label="Views">
          {VIEWS.map(([path, name]) => <a href={`#/${path}`} aria-current={path === view ? "page" : undefined}>{name}</a>)}
        </nav>
        <p class="standing" role="status" id="standing">
          {problem !== undefined ? <Mark tone="bad">offline</Mark> : state === undefined ? <span class="quiet">connecting…</span> : streams ? <Mark tone="good">live</Mark> : <Mark tone="part">asking each second</Mark>}
          {state !== undefined && <span> height {integer(state.height)}</span>}
        </p>
      </header>
      <main id="main" tabIndex={-1}><Contained about={state?.header_hash} key={`${view}-${session.account ?? ""}`}><View session={session} /></Contained></main>
    </>
  );
}
