"""Files: data sets, images, measured curves, checkpoints, and output that is whole or not there; none is unpickled.

Rooms below import any module but `curve_tables`, the formats of a curve.
"""
