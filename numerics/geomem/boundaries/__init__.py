"""Where data are lost: critical times and sizes, their diagram and error bars, phases, and times of trajectories.

`explicit`, `implicit` and `walk` solve the equations for the other modules, which rooms below import.
"""
