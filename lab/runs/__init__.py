"""Run files: one JSON file with the inputs of a margin, a settlement, a liquidation or a waterfall, and its result."""
