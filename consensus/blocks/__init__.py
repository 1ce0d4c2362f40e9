"""Decided blocks: the chain, building and judging the next one, its vote extensions, where they are kept."""
