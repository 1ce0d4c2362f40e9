"""Check the models of the consensus with TLC, or write the traces that the tests replay: `make model`.

    python -m tests.model --jar FILE [--only WORD] [--traces]

Rule: 0 only when every model holds and every planted error is found by the invariant that names it.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.model.checks import CHECKS, configuration, trace_configuration
from tests.model.tlc import checked, traces

TRACES = Path(__file__).with_name("traces.json")
TRIED, KEPT, DEPTH, SEED = 100, 30, 26, 7


def main() -> int:
    """Run the checks; 1 when one has another result than it should."""
    parser = argparse.ArgumentParser(prog="python -m tests.model")
    parser.add_argument("--jar", type=Path, required=True, help="the TLA+ tools")
    parser.add_argument("--only", default="", help="checks whose name has this word")
    parser.add_argument(
        "--traces", action="store_true", help="write the traces that the tests replay, and check nothing"
    )
    options = parser.parse_args()
    if options.traces:
        write_traces(options.jar)
        return 0
    failed = 0
    for check in CHECKS:
        if options.only in check.name:
            found = checked(options.jar, check.module, configuration(check))
            is_well = found.broken == check.finds
            failed += not is_well
            result = f"{found.broken} fails" if found.broken else "holds"
            print(f"{'ok' if is_well else 'WRONG':6}{check.name:34}{found.states:>9,} states  {result}", flush=True)
    return 1 if failed else 0


def write_traces(jar: Path) -> None:
    """Keep the behaviours in which rare rules apply."""
    every = [shortened(states) for states in traces(jar, trace_configuration(), TRIED, DEPTH, SEED)]
    total = Counter(step["rule"] for trace in every for step in trace)
    kept = sorted(every, key=lambda trace: -sum(1 / total[step["rule"]] for step in trace))[:KEPT]
    lines = ",\n".join(json.dumps(trace, separators=(",", ":"), sort_keys=True) for trace in kept)
    TRACES.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def shortened(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each step: the rule with its input, the validator by its index, and what that one's state is then."""
    found = []
    for state in states[1:]:
        last = state["last"]
        node, round_ = last["node"], state["round"][last["node"]]
        locked, valid, decided = (state[name][node] for name in ("locked", "valid", "decision"))
        after = {
            "at": [round_, state["step"][node]],
            "locked": [locked["round"], locked["value"]],
            "valid": [valid["round"], valid["value"]],
            "decided": [decided["round"], decided["value"]],
            "votes": [state[kind][node][round_] for kind in ("prevotes", "precommits")],
        }
        given = {key: value for key, value in last.items() if key not in ("node", "seen")}
        seen = {"seen": int(last["seen"][1:]) - 1} if "seen" in last else {}
        found.append({**given, **seen, "node": int(node[1:]) - 1, "after": after})
    return found


if __name__ == "__main__":
    sys.exit(main())
