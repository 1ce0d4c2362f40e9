"""What everybody could take out if the network stopped: the exit tree of an epoch."""
