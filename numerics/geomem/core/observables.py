"""Observables that are measured and predicted: names, units, axis labels, and the levels that predict them."""

# Levels of the theory that predict an observable, the first by default. What clones of the population's process do,
# and what a measured entropy says, is of no level.
LEVELS_OF = {
    "participation": ("finite_n",),
    "dimension": ("finite_n",),
    "excess-entropy": ("finite_n", "rem", "asymptotic"),
    "collapse-probability": ("finite_n",),
    "cloning": (),
    "singular-values": ("finite_n", "population", "published"),
}


# Observables that geomem predicts, and their units.
OBSERVABLES = {
    "participation": "1",
    "dimension": "1",
    "excess-entropy": "nats per dimension",
    "collapse-probability": "1",
    "cloning": "1",
    "singular-values": "1",
}
AXIS_LABELS = {
    "participation": "participation $Y_2$",
    "excess-entropy": "excess entropy $f$ [nats/dimension]",
    "collapse-probability": "probability of the same sample",
    "cloning": "probability of the same class",
    "singular-values": "singular value times $t$",
}
