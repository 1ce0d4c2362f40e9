"""Daily statements of a member: one kept day of all of its accounts.

Rule: inputs are frozen at once; the statement is made in a worker thread.
"""

from clearing.state.state import State
from member.api.statements import MemberStatement
from member.codes import NodeCode
from member.statements.days import StatementDays
from member.statements.statement import STATEMENT_LINES_MAX, StatementInputs, day_number, member_statement
from node.api.calls import ApiCall, ApiRefusal, known, member_of, run_in_worker
from node.api.routes import Parameter, Routes

routes = Routes()


@routes.get(
    "/v1/statements/{day}",
    Parameter("day", "path", "[0-9]{4}-[0-9]{2}-[0-9]{2}", "day in UTC, by block time"),
    signed=True,
)
async def statement(call: ApiCall) -> MemberStatement:
    """A recent day of all accounts of the member that signs: balances, transfers, positions, fees, closing margin."""
    text = call.parameters["day"]
    try:
        number = day_number(text)
    except ValueError:
        raise ApiRefusal(400, NodeCode.API_PARAMETER, "day", value=text) from None
    inputs = known(statement_inputs(call.state, call.view.statements, call.signer, number), "day", day=text)
    if inputs.day is None:
        raise ApiRefusal(422, NodeCode.API_NOT_FOUND, "day", day=text, lines_max=STATEMENT_LINES_MAX)
    return await run_in_worker(_statement, inputs)


def statement_inputs(state: State, days: StatementDays, address: bytes, number: int) -> StatementInputs | None:
    """Day `number` (since 1970) of all accounts of the member with this key, as frozen values; None: it is not kept.

    `day` is None in it when the statement would be too long.
    """
    day, member = days.day(number), member_of(state, address)
    if member is None or day is None:
        return None
    accounts = [account for account, record in state.accounts.ordered() if record.member == member]
    if day.size(accounts) > STATEMENT_LINES_MAX:
        return StatementInputs(state.terms, member, accounts, None)
    return StatementInputs(state.terms, member, accounts, day.excerpt(accounts))


def _statement(inputs: StatementInputs) -> MemberStatement:
    if inputs.day is None:
        raise TypeError("a statement without a day")
    return member_statement(inputs.terms, inputs.member, inputs.accounts, inputs.day)
