"""What an operator sees of a running node: health, metrics, logs and the file that a crash leaves."""
