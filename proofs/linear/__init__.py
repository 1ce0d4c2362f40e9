"""The linear solvency proof: every slot lies in its range and every row in its range, for one account or many at once.

Rule: it knows committed integer vectors and public linear rows, not money. Protocol and symbols: `proofs/notes`.
"""
