"""The light client: trusted heights in a file, blocks from any server, and evidence when two servers contradict."""
