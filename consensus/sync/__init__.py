"""Coming from behind: fetching decided blocks, and beginning with a state from peers."""
