"""The test of the default fund: it covers the two largest members' uncovered losses in every stress scenario.

Rule: nothing is told but that this holds, and of a fund that falls short by how much. Which member lacks what, who the
two are, and how large the fund's account is beyond the fund, stay hidden; which account is which member's is public.
"""
