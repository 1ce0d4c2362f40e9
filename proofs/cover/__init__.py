"""The test of the default fund: it covers the two largest members' uncovered losses in every stress scenario.

Rule: the proof reveals only that this holds, or by how much the fund falls short. It hides which member lacks what, who
the two members are, and what the fund's account has beyond the fund. Which account belongs to which member is public.
"""
