"""One page about a data set: its answer, diagram, directions, times, denoisers and copies.

A room imports only rooms before it; see the README.
"""
