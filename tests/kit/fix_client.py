"""A venue's side of FIX over a socket, by simplefix: numbers of its own, resends, reports of trades."""

import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import simplefix

USERNAME, PASSWORD = "venue-user", "correct horse"


@dataclass
class FixClient:
    """Blocks until something comes. `heard`: application messages that came, by their number."""

    begin_string: str = "FIX.4.4"
    sender: str = "VENUE"
    target: str = "HOUSE"
    password: str = PASSWORD
    incoming: int = 1
    outgoing: int = 1
    heard: dict[int, simplefix.FixMessage] = field(default_factory=dict)
    sent: dict[int, simplefix.FixMessage] = field(default_factory=dict)
    _socket: socket.socket | None = None
    _parser: simplefix.FixParser = field(default_factory=simplefix.FixParser)

    def connect(self, address: tuple[str, int], context: object = None) -> None:
        """Connect without logging on."""
        self._parser = simplefix.FixParser()
        self._socket = socket.create_connection(address)
        if context is not None:
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost")  # type: ignore[attr-defined]

    def log_on(self, address: tuple[str, int], *more: tuple[int, str], context: object = None) -> simplefix.FixMessage:
        """Connect and log on; the answer. What is missing is asked for, and comes with the next messages."""
        self.connect(address, context)
        self.write("A", (98, "0"), (108, "30"), (553, USERNAME), (554, self.password), *more)
        answer = self.read()
        assert answer.get(35) == b"A", answer
        if int(answer.get(34)) > self.incoming:
            self.write("2", (7, str(self.incoming)), (16, "0"))
        else:
            self.incoming += 1
        return answer

    def made(self, kind: str, number: int, *fields: tuple[int, str]) -> simplefix.FixMessage:
        message = simplefix.FixMessage()
        message.append_pair(8, self.begin_string)
        message.append_pair(35, kind)
        for tag, value in ((49, self.sender), (56, self.target), (34, str(number))):
            message.append_pair(tag, value)
        message.append_utc_timestamp(52)
        for tag, value in fields:
            message.append_pair(tag, value)
        return message

    def write(self, kind: str, *fields: tuple[int, str]) -> int:
        """Send a new message; its number."""
        number, self.outgoing = self.outgoing, self.outgoing + 1
        self.sent[number] = self.made(kind, number, *fields)
        self.write_bytes(self.sent[number].encode())
        return number

    def write_bytes(self, data: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(data)

    def read(self) -> simplefix.FixMessage:
        """The next message, whatever it is. Raises EOFError when the other side ended the connection."""
        assert self._socket is not None
        while (message := self._parser.get_message()) is None:
            try:
                data = self._socket.recv(4096)
            except ConnectionResetError:
                data = b""
            if not data:
                self.close()
                raise EOFError("the connection ended")
            self._parser.append_buffer(data)
        return message

    def next(self) -> simplefix.FixMessage:
        """The next application message that was not heard before. Heartbeats and resends are taken care of."""
        while True:
            message = self.read()
            kind, number = message.get(35), int(message.get(34))
            if kind == b"1":
                self.write("0", (112, message.get(112).decode()))
            if kind == b"2":
                self.resend(int(message.get(7)))
            if number > self.incoming:
                continue  # comes again with the resend that was asked for
            if kind == b"4":
                self.incoming = int(message.get(36))
                continue
            if number < self.incoming:
                continue
            self.incoming += 1
            if kind not in (b"0", b"1", b"2", b"A"):
                self.heard[number] = message
                return message

    def resend(self, begin: int) -> None:
        """Send everything from a number on again, marked as possible duplicates; what is administrative as a gap."""
        for number in range(begin, self.outgoing):
            old = self.sent[number]
            first = old.get(52).decode()
            if old.get(35) in (b"AE",):
                header = (8, 9, 10, 35, 49, 56, 34, 52)
                body = [(int(tag), value.decode()) for tag, value in old.pairs if int(tag) not in header]
                message = self.made("AE", number, (43, "Y"), (122, first), *body)
            else:
                message = self.made("4", number, (43, "Y"), (122, first), (123, "Y"), (36, str(number + 1)))
            self.write_bytes(message.encode())

    def report(self, report_id: str, buyer: str, seller: str, quantity: str, price: str, *more: tuple[int, str]) -> int:
        """Report a trade of now."""
        return self.write("AE", *trade(report_id, buyer, seller, quantity, price, *more))

    def close(self) -> None:
        """Break the connection, without a logout."""
        assert self._socket is not None
        self._socket.close()


def trade(
    report_id: str, buyer: str, seller: str, quantity: str, price: str, *more: tuple[int, str], at: float | None = None
) -> list[tuple[int, str]]:
    """The body of a trade capture report."""
    now = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    head = [(571, report_id), (487, "0"), (570, "N"), (55, "BTC-PERP"), (32, quantity), (31, price)]
    times = [(75, f"{now:%Y%m%d}"), (60, f"{now:%Y%m%d-%H:%M:%S}.{now.microsecond // 1000:03d}")]
    buys = [(54, "1"), (37, "NONE"), (1, buyer)]
    sells = [(54, "2"), (37, "NONE"), (453, "1"), (448, seller), (447, "D"), (452, "24")]
    return [*head, *more, *times, (552, "2"), *buys, *sells]
