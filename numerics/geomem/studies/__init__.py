"""Theory and measurement side by side: predicted spectra, curves and their comparison, simulations.

Rooms below import any module.
"""
