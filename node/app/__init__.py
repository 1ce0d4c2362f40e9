"""One running node: the composition root, its process, what it hands to each service, and how results reach the disk."""
