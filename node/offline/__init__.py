"""Work on a stopped node's files, or on a block log: replay, the state at a height, differences, one height back."""
