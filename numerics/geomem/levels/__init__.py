"""Levels of the theory: gaussian_rem, rem, finite_n and random_features, and the one door to them, `question`.

Importing the room registers them. A new level is a module here with a subclass of `Explicit` or `Implicit` and one
call of `register`, or of `register_kind` if it has settings; rooms below ask through `question`, and need of a level's
own module only its public functions.
"""

from geomem.levels import finite_n as finite_n
from geomem.levels import gaussian_rem as gaussian_rem
from geomem.levels import random_features as random_features
from geomem.levels import rem as rem
