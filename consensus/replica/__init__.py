"""One validator without network, disk and clock: inbox, outbox, delivery, pacing, and the height that is running."""
