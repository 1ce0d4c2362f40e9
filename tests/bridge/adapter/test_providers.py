"""One provider has one voice, however its address is spelt."""

import pytest

from bridge.rpc.providers import provider_of, repeated_provider

SAME = {
    "letters": ("https://RPC.example.org", "https://rpc.example.org/"),
    "the standard port": ("https://rpc.example.org", "https://rpc.example.org:443"),
    "a trailing dot": ("https://rpc.example.org.", "https://rpc.example.org"),
    "two keys": ("https://rpc.example.org/v2/one", "https://rpc.example.org/v2/two"),
    "a user": ("https://me:secret@rpc.example.org", "https://rpc.example.org"),
    "a query": ("https://rpc.example.org?key=1", "https://rpc.example.org?key=2"),
    "a name of this machine": ("http://localhost:8545", "http://127.0.0.1:8545"),
    "another address of this machine": ("http://127.0.0.2:8545", "http://[::1]:8545"),
    "the unspecified address": ("http://0.0.0.0:8545", "http://127.0.0.1:8545"),
    "an address in six": ("http://[::ffff:10.0.0.1]:8545", "http://10.0.0.1:8545"),
}
OTHER = {
    "hosts": ("https://one.example.org", "https://two.example.org"),
    "ports": ("http://127.0.0.1:8545", "http://127.0.0.1:8546"),
    "protocols with a port of their own": ("http://rpc.example.org", "https://rpc.example.org"),
}


@pytest.mark.parametrize("name", SAME)
def test_spellings_of_one_provider_are_one(name: str) -> None:
    first, second = SAME[name]
    assert provider_of(first) == provider_of(second)
    assert repeated_provider(["http://10.9.9.9", first, second]) == second


@pytest.mark.parametrize("name", OTHER)
def test_other_providers_are_others(name: str) -> None:
    assert repeated_provider(OTHER[name]) is None
