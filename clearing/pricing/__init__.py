"""Pricing: real functions from correctly rounded operations, then integers.

Rule: nothing here calls a library's exp, log or erf, whose last bit differs from machine to machine.
"""
