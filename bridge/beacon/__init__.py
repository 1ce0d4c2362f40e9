"""A light client of Ethereum's beacon chain: which execution blocks are final, proven by the sync committees.

Rule: nothing is believed of a beacon endpoint. A header is final here only if two thirds of a committee that is proven
back to the operator's checkpoint signed for it.
"""
