"""The table of routes: path, parameters, body, answer and who may ask. Server and OpenAPI are made from it.

Rule: what is not in the table does not exist; a parameter that is not in it is refused.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.responses import Response

from member.api.accounts import AccountView, TradingView, WithdrawalsView
from member.api.chain import EvidenceResult, HeaderView, LightBlockView, ValidatorsView
from member.api.governance import EffectView, GovernanceView
from member.api.margin import MarginView, SimulateBody, SimulationView
from member.api.proofs import ExitView, FundOpening, FundView, InclusionView, PackagePage
from member.api.receipts import DefaultPage, FundPage, LiquidationPage, ReceiptPage
from member.api.state import Health, PeersView, Readiness, StateView
from member.api.statements import MemberStatement
from member.api.submit import CollateralEventBody, CollateralEventResult, SubmitResults
from member.api.transaction_json import SubmitBody
from node.api import accounts, chain, fund, governance, margin, operations, proofs, receipts, state, submit, validators
from node.api.calls import ApiCall

Answer: TypeAlias = Response | object

JSON = "application/json"

MSGPACK = "application/msgpack"

OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A path or query parameter; `pattern` must match all of it."""

    name: str
    where: str
    pattern: str
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """One operation."""

    method: str
    path: str
    name: str
    description: str
    handler: Callable[[ApiCall], Answer | Awaitable[Answer]]
    answer: Any
    """The type of the JSON answer, or None for bytes of `media`."""
    media: str = JSON
    statuses: tuple[int, ...] = (200,)
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_media: tuple[str, ...] = ()
    signed: bool = False
    secret: bool = False
    """Whether answers hold a secret: never cached, and refused where the API can be reached in clear from outside."""
    limited: bool = True
    """Whether requests count against the client's rate; health checks do not."""


ACCOUNT = "0|[1-9][0-9]{0,17}"

PAGED = (
    Parameter("after", "query", "[0-9]{1,18}:[0-9]{1,9}", "`next` of the page before", required=False),
    Parameter("limit", "query", "[1-9][0-9]{0,2}", "receipts a page; default 100", required=False),
)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/state", "state", "The newest decided height.", state.state, StateView),
    Route(
        "GET",
        "/v1/validators",
        "validators",
        "The validator set, the change under way, and misbehaviour on record.",
        validators.validators,
        ValidatorsView,
    ),
    Route(
        "GET",
        "/v1/fund",
        "fund",
        "The default fund: its required size and the reason, every member's contribution, calls and returns.",
        fund.fund,
        FundView,
    ),
    Route(
        "GET",
        "/v1/fund/opening/{epoch}",
        "fund_opening",
        "Seed and holdings of the contributions' account at an epoch's snapshot, for `crossclear fund "
        "verify`. The newest epochs are kept.",
        fund.opening,
        FundOpening,
        parameters=(Parameter("epoch", "path", f"latest|{ACCOUNT}", "epoch; `latest`: of the newest package here"),),
    ),
    Route(
        "GET",
        "/v1/accounts/{account}",
        "account",
        "Holdings and margin of an own account.",
        accounts.account,
        AccountView,
        parameters=(Parameter("account", "path", ACCOUNT, "account id"),),
        signed=True,
    ),
    Route(
        "GET",
        "/v1/accounts/{account}/trading",
        "trading",
        "Pending trades, and the mandates of venues for an own account.",
        accounts.trading,
        TradingView,
        parameters=(Parameter("account", "path", ACCOUNT, "account id"),),
        signed=True,
    ),
    Route(
        "GET",
        "/v1/accounts/{account}/withdrawals",
        "withdrawals",
        "Withdrawals of an own account that are delayed or were not seen paid, and what the limits leave.",
        accounts.withdrawals,
        WithdrawalsView,
        parameters=(Parameter("account", "path", ACCOUNT, "account id"),),
        signed=True,
    ),
    Route(
        "GET",
        "/v1/accounts/{account}/margin",
        "margin",
        "Every term of an own account's margin, with inputs, price source and rounding, and its liquidation prices.",
        margin.margin,
        MarginView,
        parameters=(Parameter("account", "path", ACCOUNT, "account id"),),
        signed=True,
    ),
    Route(
        "POST",
        "/v1/accounts/{account}/margin/simulate",
        "simulate_margin",
        "The same before and after a shock; nothing is changed.",
        margin.simulation,
        SimulationView,
        parameters=(Parameter("account", "path", ACCOUNT, "account id"),),
        body=SimulateBody,
        body_media=(JSON,),
        signed=True,
    ),
    Route(
        "GET",
        "/v1/accounts/{account}/inclusion/{epoch}",
        "inclusion",
        "Seed and holdings of an own account at an epoch's snapshot, for `crossclear verify`. Only on the node's own"
        " machine or over TLS; the newest epochs are kept.",
        proofs.inclusion,
        InclusionView,
        parameters=(
            Parameter("account", "path", ACCOUNT, "account id"),
            Parameter("epoch", "path", f"latest|{ACCOUNT}", "epoch; `latest`: of the newest package here"),
        ),
        signed=True,
        secret=True,
    ),
    Route(
        "GET",
        "/v1/accounts/{account}/exit",
        "exit",
        "What an own account could withdraw if everything ended at an epoch: its leaves of the exit tree with "
        "their paths. Only on the node's own machine or over TLS; the newest epochs are kept.",
        proofs.own_exit,
        ExitView,
        parameters=(
            Parameter("account", "path", ACCOUNT, "account id"),
            Parameter("epoch", "query", ACCOUNT, "epoch; default the newest", required=False),
        ),
        signed=True,
        secret=True,
    ),
    Route(
        "GET",
        "/v1/statements/{day}",
        "statement",
        "A recent day of all accounts of the member that signs: balances, transfers, positions, fees, closing margin.",
        accounts.statement,
        MemberStatement,
        parameters=(Parameter("day", "path", "[0-9]{4}-[0-9]{2}-[0-9]{2}", "day in UTC, by block time"),),
        signed=True,
    ),
    Route(
        "GET",
        "/v1/receipts",
        "receipts",
        "What happened to an own account, page by page.",
        receipts.receipts,
        ReceiptPage,
        parameters=(Parameter("account", "query", ACCOUNT, "account id"), *PAGED),
        signed=True,
    ),
    Route(
        "GET",
        "/v1/liquidations",
        "liquidations",
        "Margin calls and liquidations, page by page, and slices for sale. Accounts of other members are masked.",
        receipts.liquidations,
        LiquidationPage,
        parameters=PAGED,
        signed=True,
    ),
    Route(
        "GET",
        "/v1/fund/receipts",
        "fund_receipts",
        "Sizing, calls, payments and draws of the default fund. Accounts of other members are masked.",
        receipts.fund_receipts,
        FundPage,
        parameters=PAGED,
        signed=True,
    ),
    Route(
        "GET",
        "/v1/defaults",
        "defaults",
        "Defaults and who bore their losses, page by page, and what is under way. Accounts of others are masked.",
        receipts.defaults,
        DefaultPage,
        parameters=PAGED,
        signed=True,
    ),
    Route(
        "GET",
        "/v1/governance",
        "governance",
        "Proposals under way with their votes, amendments that took effect, halts, detached vaults.",
        governance.governance,
        GovernanceView,
    ),
    Route(
        "GET",
        "/v1/governance/terms",
        "terms",
        "The terms in force: genesis.json as amended.",
        governance.terms,
        None,
    ),
    Route(
        "GET",
        "/v1/governance/amendments",
        "amendments",
        "All amendments, with a certificate that none is missing, for `crossclear verify --amendments`.",
        governance.amendments,
        None,
        media=OCTETS,
    ),
    Route(
        "GET",
        "/v1/governance/proposals/{number}/effect",
        "effect",
        "The effect of a proposal on the margins of own accounts, if it were enacted at this height.",
        governance.effect,
        EffectView,
        parameters=(Parameter("number", "path", ACCOUNT, "number of the proposal"),),
        signed=True,
    ),
    Route(
        "GET",
        "/v1/light/{height}",
        "light_block",
        "A height for light clients: header, certificate and both validator sets.",
        chain.light_block,
        LightBlockView,
        parameters=(Parameter("height", "path", "latest|[1-9][0-9]{0,17}", "height, or `latest`"),),
    ),
    Route(
        "POST",
        "/v1/evidence",
        "evidence",
        "Submit evidence of an attack on a light client: MessagePack of common, first and second light block.",
        chain.evidence,
        EvidenceResult,
        statuses=(202,),
        body=Any,
        body_media=(MSGPACK,),
    ),
    Route(
        "GET",
        "/v1/headers/{height}",
        "header",
        "A certified header.",
        chain.header,
        HeaderView,
        parameters=(Parameter("height", "path", "latest|[1-9][0-9]{0,17}", "height, or `latest`"),),
    ),
    Route(
        "GET",
        "/v1/proofs",
        "proofs",
        "The epoch packages that this node keeps, page by page. Each epoch is proven by some of the validators only.",
        proofs.proofs,
        PackagePage,
        parameters=(Parameter("after", "query", ACCOUNT, "`next` of the page before", required=False),),
    ),
    Route(
        "GET",
        "/v1/proofs/{epoch}",
        "proof",
        "An epoch package, for `crossclear verify`.",
        proofs.proof,
        None,
        media=OCTETS,
        parameters=(Parameter("epoch", "path", f"latest|{ACCOUNT}", "epoch, or `latest`"),),
    ),
    Route(
        "POST",
        "/v1/submit",
        "submit",
        "Signed transactions. 202 when at least one is pending, 422 when all are refused.",
        submit.submit,
        SubmitResults,
        statuses=(202, 422),
        body=SubmitBody,
        body_media=(JSON, MSGPACK),
    ),
    Route(
        "POST",
        "/v1/collateral-events",
        "collateral_event",
        "Points the node at a vault's event; it fetches and proves it itself.",
        submit.collateral_event,
        CollateralEventResult,
        statuses=(202,),
        body=CollateralEventBody,
        body_media=(JSON,),
    ),
    Route(
        "GET",
        "/v1/peers",
        "peers",
        "Who may connect to this node, who is connected, and the score of each.",
        operations.peers,
        PeersView,
    ),
    Route("GET", "/healthz", "health", "The process answers.", operations.health, Health, limited=False),
    Route(
        "GET",
        "/readyz",
        "readiness",
        "200 when the node does its work, else 503; with reasons.",
        operations.readiness,
        Readiness,
        statuses=(200, 503),
        limited=False,
    ),
    Route(
        "GET",
        "/metrics",
        "metrics",
        "Prometheus metrics.",
        operations.metrics,
        None,
        media="text/plain; version=0.0.4; charset=utf-8",
        limited=False,
    ),
)
