"""Trained score networks: what is trained and how, and a sweep that measures them as the empirical score is measured.

Only `architectures` and `steps` need equinox and optax. Figures import `fates`, the command `experiment` and `sweep`.
"""
