"""Noise schedules: the clocks of samplers, continuous or in steps, and those that the package diffusers writes down.

Rooms below ask `clock`; `continuous.Schedule` and `discrete.Discrete` tell what a schedule is.
"""
