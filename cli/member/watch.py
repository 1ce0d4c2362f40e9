"""`crossclear watch`: what happens at a network and in own accounts, live over the stream."""

from typing import TYPE_CHECKING

import click

from cli.options import MemberKey, account_options, listing_at, listing_if_read, parsed
from cli.output import output_option, say, show_json, show_line

if TYPE_CHECKING:
    from member.api.streams import StreamFrame
    from member.notation.listing import Listing

DEFAULT_TOPICS = ("heights", "marks", "governance")


@click.command("watch")
@click.argument("topics", nargs=-1)
@click.option("--cursor", default="", help="Go on after this cursor instead of with snapshots.")
@click.option("--frames", type=click.IntRange(1, 10**9), help="End after so many frames; else with Ctrl-C.")
@account_options
@output_option
def watch(topics: tuple[str, ...], cursor: str, frames: int | None, key: MemberKey, output: str) -> None:
    """Print what happens as it happens, a line an event: TOPICS as in docs/explanation/streams.md.

    Without topics: heights, marks and governance. Topics of members and accounts need a key; an account is named or
    numbered. With `--output json` a line is a frame, with the cursor from which `--cursor` goes on. It comes back by
    itself when a connection ends, and misses nothing that the node still keeps.

    Example: crossclear watch account:alice receipts:alice sales --key trade --home HOME
    """
    import re

    import trio

    from clearing.base.plain_text import plain
    from member.api.streams import CURSOR_PATTERN, PUBLIC_TOPICS, TOPIC_PATTERN, TOPICS_MAX
    from member.client.streams import StreamReader, network_at

    listing = listing_at(key.url) if any(map(_is_named, topics)) else None
    wanted = tuple(_by_id(topic, listing) for topic in topics or DEFAULT_TOPICS)
    for topic in wanted:
        if re.fullmatch(TOPIC_PATTERN, topic) is None:
            raise click.BadParameter(f"no topic {topic!r}", param_hint="TOPICS")
    if len(wanted) > TOPICS_MAX:
        raise click.BadParameter(f"expected at most {TOPICS_MAX}, got {len(wanted)}", param_hint="TOPICS")
    if cursor and re.fullmatch(CURSOR_PATTERN, cursor) is None:
        raise click.BadParameter(f"expected HEIGHT:INDEX, got {cursor!r}", param_hint="--cursor")
    secret = key.secret() if set(wanted) - PUBLIC_TOPICS.keys() else None
    words_of = None if output == "json" else listing or listing_if_read(key.url)
    reader = StreamReader(key.url, network_at(key.url), wanted, secret, cursor)

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
                _print(plain(frame), words_of, output)
                left = None if left is None else left - 1
                if left == 0:
                    scope.cancel()

            await reader.read(take)

    trio.run(read)
    if shown:
        say(f"go on with --cursor {shown}")


def _is_named(topic: str) -> bool:
    """Whether it is of an account that is written by its name."""
    from member.api.streams import ACCOUNT_TOPICS
    from member.notation.listing import is_id

    kind, _, account = topic.partition(":")
    return kind in ACCOUNT_TOPICS and account != "" and not is_id(account)


def _by_id(topic: str, listing: "Listing | None") -> str:
    if listing is None or not _is_named(topic):
        return topic
    kind, _, account = topic.partition(":")
    return f"{kind}:{parsed('TOPICS', lambda: listing.account(account))}"


def _print(frame: "StreamFrame", listing: "Listing | None", output: str) -> None:
    """As JSON, or in words, where a listing has them."""
    import msgspec

    from member.printing.streams import frame_text

    if output == "json":
        show_json(msgspec.json.encode(frame))
    else:
        show_line(frame_text(frame, listing))
