"""Laws of data: linear manifolds, mixtures, random manifolds; and probes, the points from which the theory looks.

Rooms below ask the base class, `law.Law`, what a law knows; they import a law's own module only to make one.
"""
