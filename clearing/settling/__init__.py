"""Settling: what positions pay while they are carried and when they end."""
