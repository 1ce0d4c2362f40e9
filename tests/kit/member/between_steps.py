"""Steps of a scene that happen outside the browser: a function of the test, called when the scene comes to it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from tests.kit.member.driven_page import Step


@contextmanager
def between_steps(**actions: Callable[[], object]) -> Iterator[dict[str, Step]]:
    """The step of each action, by its name. The scene goes on when the action has returned; what it raises ends it."""

    class Called(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            actions[self.path.removeprefix("/")]()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """A scene's steps are no log."""

    server = HTTPServer(("127.0.0.1", 0), Called)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield {name: ["call", f"http://127.0.0.1:{server.server_port}/{name}"] for name in actions}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
