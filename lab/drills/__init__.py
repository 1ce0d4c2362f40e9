"""Drills of a default on a copy of a state, and the moves at which the default fund no longer covers."""
