"""Figures of results, a module for each kind of result, and their `style`.

Only the command imports them.
"""
