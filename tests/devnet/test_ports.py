"""Devnets beside each other on one machine."""

from devnet.network import reserved_ports


def test_two_devnets_that_start_at_once_are_given_other_ports() -> None:
    with reserved_ports(4) as first:
        with reserved_ports(4) as second:
            assert second != first
        with reserved_ports(4) as third:
            assert third == second
