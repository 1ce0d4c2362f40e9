"""The path of the Dutch auction: the discount that a slice is sold at, block by block.

Rule: from the first block's discount to the last block's in even steps, rounded down, so that what the account gives is
never rounded against it. It must not know what is sold.
"""


def discount_ppm(start_ppm: int, end_ppm: int, first_height: int, last_height: int, height: int) -> int:
    """The discount in the block at `height`, of the notional; 0 <= start <= end, first <= height <= last."""
    span = last_height - first_height
    if span == 0:
        return start_ppm
    return start_ppm + (end_ppm - start_ppm) * (height - first_height) // span
