"""Findings of the static analysis are mended or explained, and explanations without a finding are refused."""

from bridge.contracts.check import AcceptedFinding, SlitherFinding, complaints, read_accepted


def test_every_accepted_finding_has_a_reason_and_stands_once() -> None:
    accepted = read_accepted()
    assert all(len(entry.why) > 20 for entry in accepted)
    assert len({(entry.check, entry.at) for entry in accepted}) == len(accepted)


def test_an_unexplained_finding_and_an_idle_reason_are_complaints() -> None:
    accepted = (
        AcceptedFinding("timestamp", "", "hours"),
        AcceptedFinding("calls-loop", "withdrawBatch", "fails alone"),
    )
    assert complaints([SlitherFinding("timestamp", "a"), SlitherFinding("calls-loop", "withdrawBatch")], accepted) == []
    assert complaints([SlitherFinding("timestamp", "a"), SlitherFinding("calls-loop", "other")], accepted) == [
        "slither: calls-loop at other is neither mended nor explained",
        "slither.toml: calls-loop at withdrawBatch is found no more",
    ]
