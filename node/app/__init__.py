"""One running node: the composition root, its process, the settings of services, and how results reach the disk."""
