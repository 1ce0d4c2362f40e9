import { paidIn } from "../node/chain";
import { patient } from "../node/client";
import { type Provider, provider } from "../node/keys";
import { type Session } from "../session";
import { useAct, useNewest } from "../ui/acts";
import { Choice, chosenOf } from "../ui/choice";
import { parsed } from "../ui/formats";
import { Empty, Panel } from "../ui/parts";
import { StopWaiting } from "../ui/waiting";
import { Deposits, useDeposits } from "./deposits";

/** A deposit from the browser's wallet, followed until it is credited, and those before it. */
const LOOK_MS = 1_000;
const LOOKS_MAX = 3_600;
const PAID_STILL = "You stopped waiting. The wallet is asked for nothing more, but it may still send what it shows: refuse it there if you do not want to pay in. A payment that it sent is credited all the same, and is listed below.";

export function Deposit({ session, account }: { session: Session; account: number }) {
  const wallet = provider();
  const past = useDeposits(session, account);
  const begin = useNewest();
  const act = useAct(async (form, { tell, wallet: ask }) => {
    const isNewest = begin();
    const token = session.names.tokens.find(({ asset }) => asset === chosenOf(form, "asset"));
    if (wallet === undefined || token === undefined) throw new Error("The token is not listed.");
    const amount = parsed(String(form.get("amount")), token.decimals);
    if (amount <= 0n) throw new Error("The amount is above zero.");
    const nonce = await ask(async (isOver) => {
      const asked: Provider = { request: (question) => (isOver() ? Promise.reject(new Error(PAID_STILL)) : wallet.request(question)) };
      const [from] = (await asked.request({ method: "eth_requestAccounts" })) as readonly string[];
      if (from === undefined) throw new Error("The wallet names no account.");
      return paidIn(asked, from, { ...token, amount, account }, tell);
    });
    await followed(session, [token.chainId, token.vault, String(nonce)], tell, () => !isNewest());
    past.again();
  }, PAID_STILL);
  return (
    <Panel title="Deposit" note="Your wallet pays tokens into the vault on their chain. They are credited once the block is final and the validators attest it.">
      {wallet === undefined ? <Empty>This browser has no wallet. <code>crossclear deposit</code> pays in from the command line.</Empty> : (
        <form onSubmit={act.submit} class="fields">
          <div><label for="d-asset">Token</label><Choice id="d-asset" name="asset" options={session.names.tokens.map(({ asset, name }) => [asset, name] as const)} /></div>
          <div><label for="d-amount">Amount</label><input id="d-amount" name="amount" inputMode="decimal" required /></div>
          <button type="submit" aria-disabled={act.busy}>Pay in by the wallet</button>
          <StopWaiting act={act} />
        </form>
      )}
      <p role="status" id="deposit-outcome">{act.outcome}</p>
      <p class="problem" role="alert">{act.problem}</p>
      <Deposits asked={past} session={session} />
    </Panel>
  );
}

const ENDS: readonly string[] = ["credited", "refunded"];

async function followed(session: Session, deposit: readonly [number, string, string], tell: (words: string) => void, isOver: () => boolean): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const { status, next, reason } = await patient(() => session.client.deposit(...deposit), () => !isOver());
    if (isOver()) return;
    tell(`${status}: ${(reason ?? "") === "" ? "" : `${reason}. `}${next}`);
    if (ENDS.includes(status)) return;
    await new Promise((resume) => setTimeout(resume, LOOK_MS));
  }
}
