"""What is shown: commitments to holdings, the linear solvency proof, the epoch package and its verifier.

Rule: a verifier needs the file alone. Nothing here knows networks, clocks or chains; provers and workers are the only
modules that may draw randomness or start processes. Border type: `clearing.margin.snapshot.RiskStatement`.
"""
