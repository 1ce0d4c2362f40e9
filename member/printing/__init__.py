"""What the answers of a node's API look like as text for a terminal, one file a subject."""
