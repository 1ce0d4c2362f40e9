"""The ports that a node listens on by default, in one place: settings, generated networks and commands agree.

The first node of a network on one machine has them; the others count up from there.
"""

P2P_PORT = 26_600
API_PORT = 26_680
API_HOST = "127.0.0.1"
API_URL = f"http://{API_HOST}:{API_PORT}"
API_PORT_OFFSET = API_PORT - P2P_PORT
"""How far above its p2p port a generated node's API listens; one network on one machine has at most so many nodes."""
