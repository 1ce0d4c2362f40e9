"""The own messages: signed once, and to whom they go."""
