"""What is measured of a data set: the empirical score, its spectrum, samples, memorization, basins and entropy.

`streaming` and `sums` are the pass over the samples; rooms below import the other modules.
"""
