"""Commands of a node's operator: set up, start, inspect and recover a node; change validators and rules."""
