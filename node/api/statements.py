"""The route of statements.

Rule: what a statement needs is copied at once, then it is put together in a worker thread. A member gets its own.
"""

from node.api.handlers import Call
from node.api.problems import ApiRefusal
from node.api.statement_shapes import MemberStatement
from node.api.workers import run_in_worker
from node.codes import NodeCode
from node.statements.statement import STATEMENT_LINES_MAX, StatementInputs, day_number, member_statement


async def statement(call: Call) -> object:
    """A day of all accounts of the member that signed."""
    text = call.parameters["day"]
    try:
        number = day_number(text)
    except ValueError:
        raise ApiRefusal(400, NodeCode.API_PARAMETER, "day", value=text) from None
    found = call.view.statement_inputs(call.signer, number)
    if found is None:
        raise ApiRefusal(404, NodeCode.API_NOT_FOUND, "day", day=text)
    if found.day is None:
        raise ApiRefusal(422, NodeCode.API_NOT_FOUND, "day", day=text, lines_max=STATEMENT_LINES_MAX)
    return await run_in_worker(_made, found)


def _made(inputs: StatementInputs) -> MemberStatement:
    if inputs.day is None:
        raise TypeError("a statement without a day")
    return member_statement(inputs.terms, inputs.member, inputs.accounts, inputs.day)
