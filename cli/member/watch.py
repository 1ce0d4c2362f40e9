"""`crossclear watch`: what happens at a network and in own accounts, live over the stream."""

from typing import TYPE_CHECKING, Any

import click

from cli.options import MemberKey, account_options
from cli.output import output_option, say, show_json, show_line

if TYPE_CHECKING:
    from member.api.streams import StreamFrame

DEFAULT_TOPICS = ("heights", "marks", "governance")


@click.command("watch")
@click.argument("topics", nargs=-1)
@click.option("--cursor", default="", help="Go on after this cursor instead of with snapshots.")
@click.option("--frames", type=click.IntRange(1, 10**9), help="End after so many frames; else with Ctrl-C.")
@account_options
@output_option
def watch(topics: tuple[str, ...], cursor: str, frames: int | None, key: MemberKey, output: str) -> None:
    """Print what happens as it happens, a line an event: TOPICS as in docs/explanation/streams.md.

    Without topics: heights, marks and governance. Topics of members and accounts need a key. With `--output json` a
    line is a frame, with the cursor from which `--cursor` goes on. It comes back by itself when a connection ends, and
    misses nothing that the node still keeps.

    Example: crossclear watch account:1 receipts:1 sales --key trade --home HOME
    """
    import re

    import trio

    from clearing.base.plain_text import plain
    from member.api.streams import CURSOR_PATTERN, PUBLIC_TOPICS, TOPIC_PATTERN, TOPICS_MAX
    from member.client.streams import StreamReader, network_at
    from member.printing.streams import frame_text

    wanted = topics or DEFAULT_TOPICS
    for topic in wanted:
        if re.fullmatch(TOPIC_PATTERN, topic) is None:
            raise click.BadParameter(f"no topic {topic!r}", param_hint="TOPICS")
    if len(wanted) > TOPICS_MAX:
        raise click.BadParameter(f"at most {TOPICS_MAX}", param_hint="TOPICS")
    if cursor and re.fullmatch(CURSOR_PATTERN, cursor) is None:
        raise click.BadParameter("expected HEIGHT:INDEX", param_hint="--cursor")
    secret = key.secret() if set(wanted) - PUBLIC_TOPICS.keys() else None
    reader = StreamReader(key.url, network_at(key.url), tuple(wanted), secret, cursor)

    shown = cursor

    async def read() -> None:
        nonlocal shown
        left = frames
        with trio.CancelScope() as scope:

            def take(frame: "StreamFrame") -> None:
                nonlocal left, shown
                if left == 0:
                    return
                shown = frame.cursor
                _print(plain(frame), output, frame_text)
                left = None if left is None else left - 1
                if left == 0:
                    scope.cancel()

            await reader.read(take)

    trio.run(read)
    if shown:
        say(f"go on with --cursor {shown}")


def _print(frame: "StreamFrame", output: str, text: Any) -> None:
    import msgspec

    if output == "json":
        show_json(msgspec.json.encode(frame))
    else:
        show_line(text(frame))
