"""Everything with side effects, and the only composition root: clock, disk, network, processes, operators.

Rule: `node` may import every other package and none imports it; nothing in a node's configuration can change a state
transition.
"""
