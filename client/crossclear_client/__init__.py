"""A client of crossclear nodes: sign, submit, wait for what became of it, follow. For asyncio and trio.

It imports nothing of the network's own code. What both sides must agree on is in docs/specification/signing.md and in
the OpenAPI document.
"""

from crossclear_client import errors
from crossclear_client.client import Client
from crossclear_client.deposits import Call, allowance_call, deposit_calls, deposit_number, native_deposit_call
from crossclear_client.errors import ClientError, NodeRefused, RequestRefused
from crossclear_client.generated import answers, requests
from crossclear_client.request import Request, request_of
from crossclear_client.signing import Key, Signer, Wallet, signed
from crossclear_client.transport import Retries

__all__ = [
    "Call",
    "Client",
    "ClientError",
    "Key",
    "NodeRefused",
    "Request",
    "RequestRefused",
    "Retries",
    "Signer",
    "Wallet",
    "allowance_call",
    "answers",
    "deposit_calls",
    "deposit_number",
    "errors",
    "native_deposit_call",
    "request_of",
    "requests",
    "signed",
]
