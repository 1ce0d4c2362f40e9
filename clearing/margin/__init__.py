"""Margin: how much collateral an account must hold, and the same rule as linear inequalities for the proof."""
