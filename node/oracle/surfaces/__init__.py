"""Surfaces: forwards, rates and implied volatilities of a risk group, fitted to the option quotes of venues.

Rule: everything here is before the vote, in float64, and off the path of consensus. What leaves it is a
`SurfaceReport`: integers that exclude static arbitrage.
"""
