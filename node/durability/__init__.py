"""What an operator does to a stopped node's disk: look at the log, repair it, step back a height, compare states.

Rule: nothing here is used while a node runs; whoever writes holds the sign state's lock. The sign state itself is never
taken back.
"""
