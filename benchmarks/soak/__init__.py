"""The network for long: a simulated day with faults, and a real hour under load."""
