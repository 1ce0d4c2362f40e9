"""The epoch package (`.ccp`), its proofs about the whole book, and the provers and workers that make it."""
