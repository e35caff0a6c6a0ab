"""The words of the commands' tables: what stands above each column, and what it means, as their help says."""

from typing import NamedTuple


class Word(NamedTuple):
    """A column: its heading, and what its values mean."""

    heading: str
    meaning: str


_SPREAD = Word("+-", "standard error of the value before it, over seeds")
_LOST = Word(
    "lost", "seeds in which the block opened as t fell and was lost again: its value of -tJ passed one half twice"
)
_KEPT = Word("kept", "seeds in which it opened and stayed open to the smallest t")
_CLOSED = Word("closed", "seeds in which its value is above one half at every t: it was lost before it could open")
_UNLEARNED = Word(
    "unlearned",
    "seeds in which it looks open at a t of at least three times its variance, where the score of any data is closed: "
    "no training opened it, and it is not kept",
)
_STATUS = Word(
    "status",
    "converged; no transition, which is an outcome; out of validity, with a value that is kept; not converged; invalid",
)

# By their names in --json. Of the symbols of the theory `geomem derive --chapter notation` speaks.
WORDS = {
    "block": Word("block", "number of the block of directions, from 0"),
    "local_variance": Word("variance", "local variance s of the data along a direction of the block"),
    "multiplicity": Word("directions", "number of directions in the block"),
    "opening_time": Word("opening t", "noise variance t below which the population's score resolves the block: t = s"),
    "critical_time": Word(
        "critical t",
        "noise variance t below which N samples lose the block, by signal to noise if there is no --criterion",
    ),
    "critical_time_lower": Word("from", "least critical t of the block's own directions"),
    "critical_time_upper": Word("to", "greatest critical t of the block's own directions"),
    "critical_time_error": Word("+-", "standard error of the critical t over the data points that are probed"),
    "lost": Word(
        "at N", "kept: with N samples the block opens, and is lost below the critical t; lost: before it could open"
    ),
    "status": _STATUS,
    "noise_variance": Word("t", "variance of the noise in x = y + sqrt(t) omega, in squared units of the data"),
    "opening_time_on_schedule": Word("opening on schedule", "the opening t as a time on the --schedule"),
    "critical_time_on_schedule": Word("critical on schedule", "the critical t as a time on the --schedule"),
    "opening_step": Word("opening step", "step of the schedule that is nearest to the opening t"),
    "critical_step": Word("critical step", "step of the schedule that is nearest to the critical t"),
    "time_on_schedule": Word("on schedule", "t as a time on the --schedule"),
    "step": Word("step", "step of the schedule that is nearest to t"),
    "critical_size": Word("critical N", "number of samples that keeps the block down to t"),
    "log_critical_size": Word("ln N", "its logarithm"),
    "log_critical_size_error": Word("+-", "standard error of ln N over the data points that are probed"),
    "critical_size_lower": Word("from", "least critical N of the block's own directions"),
    "critical_size_upper": Word("to", "greatest critical N of the block's own directions"),
    "gap": Word("gap", "largest step between neighbours among the sorted values of -tJ, at t and N"),
    "gap_dimension": Word(
        "gap dimension", "number of values below that gap: directions that the measured score resolves"
    ),
    "participation": Word("Y2", "probability that two draws of the weights are one sample; near 1, one has all weight"),
    "population_gap_dimension": Word("without memorization", "gap dimension of the population's score, at every N"),
    "resolved_dimension": Word(
        "resolved D", "predicted number of open directions, t < s, whose score is more signal than noise, R > 1, at N"
    ),
    "time": Word("time", "time of the curve, on its own schedule"),
    "measured": Word("measured", "the measured value"),
    "error": Word("error", "its standard error"),
    "predicted": Word("predicted", "the theory's value"),
    "residual": Word("residual", "measured less predicted, in units of what is measured"),
    "z": Word("z", "the residual in standard errors"),
    "points": Word(
        "points", "whether the curve's points are correlated, as replicates tell, or taken to be independent"
    ),
    "reduced_chi_square": Word(
        "reduced_chi_square", "squared residuals in errors, a degree of freedom; 1 if all agrees"
    ),
    "p_value": Word("p_value", "probability of a larger chi-square where theory and errors are right"),
    "max_abs_z": Word("max_abs_z", "largest z without its sign"),
    "log_time_shift": Word(
        "log_time_shift", "how much ln t of the predicted curve has to grow to fit the measured one best"
    ),
    "log_time_shift_lower": Word("log_time_shift_lower", "lower end of its 95 % interval"),
    "log_time_shift_upper": Word("log_time_shift_upper", "upper end of its 95 % interval"),
    "num_samples": Word("N", "size of the training sets"),
    "typical_collapse_time": Word("collapse t", "noise variance at which typical trajectories collapse, of all blocks"),
    "empirical_loss_time": Word(
        "empirical t",
        "noise variance at which the block is lost by the empirical score, mean over the seeds that lost it",
    ),
    "empirical_loss_error": _SPREAD,
    "empirical_seeds_lost": _LOST,
    "empirical_seeds_kept": _KEPT,
    "empirical_seeds_never_open": _CLOSED,
    "empirical_seeds_unlearned": _UNLEARNED,
    "loss_time": Word("network t", "the same of the networks, at the last step; the columns after it are theirs"),
    "loss_error": _SPREAD,
    "seeds_lost": _LOST,
    "seeds_kept": _KEPT,
    "seeds_never_open": _CLOSED,
    "seeds_unlearned": _UNLEARNED,
    "empirical_loss_time_on_schedule": Word("empirical on schedule", "the empirical t as a time on the --schedule"),
    "empirical_loss_step": Word("empirical step", "step of the schedule that is nearest to the empirical t"),
    "loss_time_on_schedule": Word("network on schedule", "the network t as a time on the --schedule"),
    "loss_step": Word("network step", "step of the schedule that is nearest to the network t"),
    "memorized": Word(
        "memorized", "fraction of generated samples that are copies of training samples, mean over seeds"
    ),
    "memorized_error": _SPREAD,
    "patch_size": Word("patch", "side of the patches in pixels"),
    "critical_images": Word(
        "critical images", "number of images below which a noised patch copies one: two draws of the weights are one"
    ),
    "log_critical_images_error": Word("+-", "standard error of its logarithm over the patches that are probed"),
    "information_bits": Word("bits", "information of the noisy patch about the clean one, by the law"),
    "patch_participation": Word("Y2 of patches", "probability that two draws of the weights are one patch, at N"),
    "memorization_start": Word("begins at step", "training step from which one in ten samples is a copy"),
}

_BLOCKS = (
    "block", "local_variance", "multiplicity", "opening_time", "critical_time", "opening_time_on_schedule",
    "critical_time_on_schedule", "opening_step", "critical_step", "status", "lost", "critical_time_lower",
    "critical_time_upper",
)  # fmt: skip
_FATES = ("loss_time", "loss_error", "seeds_lost", "seeds_kept", "seeds_never_open", "seeds_unlearned")
# The columns that the tables of a command may have.
COLUMNS = {
    "phase_diagram": (*_BLOCKS, "critical_time_error"),
    "critical_size": (
        "block", "local_variance", "multiplicity", "noise_variance", "time_on_schedule", "step", "critical_size",
        "log_critical_size", "status", "critical_size_lower", "critical_size_upper",
        "log_critical_size_error",
    ),
    "spectrum": (
        "noise_variance", "time_on_schedule", "step", "gap", "gap_dimension", "participation",
        "population_gap_dimension", "resolved_dimension", *_BLOCKS,
    ),
    "compare": (
        "time", "noise_variance", "measured", "error", "predicted", "residual", "z", "status", "points",
        "reduced_chi_square", "p_value", "max_abs_z", "log_time_shift", "log_time_shift_lower", "log_time_shift_upper",
    ),
    "train": (
        "num_samples", "local_variance", "critical_time", "typical_collapse_time",
        *(f"empirical_{name}" for name in _FATES), *_FATES, "critical_time_on_schedule", "critical_step",
        "empirical_loss_time_on_schedule", "empirical_loss_step", "loss_time_on_schedule", "loss_step", "memorized",
        "memorized_error", "memorization_start",
    ),
    "local": (
        "patch_size", "noise_variance", "time_on_schedule", "step", "critical_images", "log_critical_images_error",
        "information_bits", "patch_participation", "status",
    ),
    "derive": (),
    "report": (),
}  # fmt: skip


def heading(name: str) -> str:
    """What stands above a column."""
    return WORDS[name].heading if name in WORDS else name


def column_help(command: str) -> str:
    """What the columns of a command's tables mean, each said once, for the end of its help."""
    words = dict.fromkeys(WORDS[name] for name in COLUMNS[command])
    if not words:
        return ""
    return "\n".join(["Columns of the tables:", "", *(f"- **{one.heading}**: {one.meaning}" for one in words)])
