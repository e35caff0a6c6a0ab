r"""Local scores: a pixel is denoised by an average over the patches of the images, the samples of a law of patches.

A patch of $d$ pixels around a pixel of a noised image is compared with $P$ patches of every one of N images: one, that
at the same place, or those at all places. Patches of one image overlap and are no independent samples, but are counted
as such: what is left out is their correlation, which matters for few images. With the law of patches for the law of the
data and $N_{\mathrm{eff}}$ for N all other chapters apply.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.symbols import (
    information_bits,
    log_N,
    log_N_collapse,
    log_N_images,
    log_N_images_collapse,
    log_N_patches,
    positions,
)
from geomem_theory.trajectories import collapse_log_size

_KG, _HKG = "arXiv:2412.20292", "arXiv:2607.08041"

patch_log_size = Equation(
    name="patch_log_size",
    left=log_N_patches,
    right=log_N + sp.log(positions),
    arguments=(log_N, positions),
    meaning="How many patches a pixel of a noised image is denoised by: those at P places of each of N images.",
    source=_KG,
    steps=(Step("Every image has as many.", lambda: sp.expand_log(sp.log(sp.exp(log_N) * positions), force=True)),),
)

image_log_size = Equation(
    name="image_log_size",
    left=log_N_images,
    right=log_N_patches - sp.log(positions),
    arguments=(log_N_patches, positions),
    meaning="How many images have so many patches. With the critical size of a patch, by any criterion, it is the "
    "number of images below which a pixel is copied from one patch.",
    source=DERIVED,
    steps=(
        Step(
            "Solve for $\\ln N$.",
            lambda: sp.solve(sp.Eq(log_N_patches, patch_log_size.right), log_N)[0],
        ),
    ),
)

patch_collapse_log_size = Equation(
    name="patch_collapse_log_size",
    left=log_N_images_collapse,
    right=collapse_log_size.right - sp.log(positions),
    meaning="Number of images below which a pixel is copied, by the collapse condition: the information that a noisy "
    "patch has about the clean one, L of chapter `trajectories`, is the logarithm of the number of patches. "
    "$s_b$ is the spectrum of the covariance of patches.",
    source=_HKG,
    steps=(
        Step("The information at which noised samples condense.", lambda: collapse_log_size.right),
        Step(
            "As many images as have that many patches.",
            lambda: image_log_size.right.subs(log_N_patches, collapse_log_size.right),
        ),
    ),
)

information_in_bits = Equation(
    name="information_in_bits",
    left=information_bits,
    right=log_N_collapse / sp.log(2),
    arguments=(log_N_collapse,),
    meaning="The information in bits: the collapse condition is that it is $\\log_2 N_{\\mathrm{eff}}$.",
    source=DERIVED,
    steps=(Step("A bit is ln 2 nats.", lambda: log_N_collapse / sp.log(2)),),
)

CHAPTER = Chapter(
    name="local_scores",
    title="Local scores",
    introduction="What convolutional networks are close to: every pixel is denoised from the patch around it. The "
    "theory is that of the whole score with patches for samples, and as many of them as images times places.",
    equations=(patch_log_size, image_log_size, patch_collapse_log_size, information_in_bits),
)
