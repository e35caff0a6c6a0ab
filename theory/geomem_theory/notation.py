"""The notation: every symbol with its meaning and its name in code, the first chapter of `geomem derive`."""

from typing import NamedTuple

import sympy as sp

from geomem_theory import symbols as sym
from geomem_theory.derivation import latex_prose


class Notation(NamedTuple):
    """One line of the notation table."""

    symbol: sp.Basic
    meaning: str
    code: str

    @property
    def latex(self) -> str:
        return sp.latex(self.symbol)


NOTATION: tuple[Notation, ...] = (
    Notation(sym.N, "number of training samples", "`num_samples`"),
    Notation(sym.log_N, "its logarithm, the size in which everything is computed", "`log_num_samples`"),
    Notation(sym.t, "variance of the diffusion noise, x = y + sqrt(t) omega", "`noise_variance`"),
    Notation(sym.b, "a block: the directions that share one local variance", "`block`"),
    Notation(sym.c, "a second block index, where two sums meet", ""),
    Notation(sym.B, "number of blocks", ""),
    Notation(sym.s[sym.b], "local variance of the data along the directions of block b", "`variances`"),
    Notation(sym.d[sym.b], "number of directions of block b", "`multiplicities`"),
    Notation(sym.Q[sym.b], "squared length of the probe inside block b", "`Probe.squared_lengths`"),
    Notation(sym.s_v, "local variance along the probed direction v", ""),
    Notation(sym.x_v, "coordinate of the probe along v", ""),
    Notation(sym.q_v, "its square", ""),
    Notation(sym.y_v, "coordinate of a training sample along v", ""),
    Notation(sym.delta[sym.b], "1 for the block that holds v, else 0", ""),
    Notation(sym.Q_rest[sym.b], "squared length of the probe inside block b, v left out", ""),
    Notation(sym.a, "amplitude of a probe, in units of sqrt(t)", "`amplitude`"),
    Notation(sym.along, "amplitude of a probe along v, in units of sqrt(t)", "`Probe.along_v`"),
    Notation(sym.spread, "the same over all directions together", "`Probe.spread`"),
    Notation(sym.noise_share, "squared coordinate of a probe along every direction, in units of t", "`Probe.noise`"),
    Notation(sym.data_share, "the same, in units of the direction's local variance", "`Probe.data`"),
    Notation(sym.lam, "tilt: inverse temperature in units of 1/t", ""),
    Notation(sym.lam_c, "tilt at which the entropy vanishes; condensed where it is below 1", ""),
    Notation(sym.h, "source that generates the moments of y along v", ""),
    Notation(sym.k_1, "first cumulant of the random energy", ""),
    Notation(sym.k_2, "second cumulant of the random energy", ""),
    Notation(sym.t_c, "critical noise variance", "`critical_time`"),
    Notation(sym.s_wide, "the larger of two local variances that a gap separates", ""),
    Notation(sym.s_narrow, "the smaller of them", ""),
    Notation(sym.gap, "height of a gap in the spectrum of -tJ", ""),
    Notation(sym.E_v(sym.x_v), "random energy of one direction, half a squared distance", ""),
    Notation(sym.K(sym.lam), "generating function of the random energy, ln E exp(-lambda E/t)", ""),
    Notation(sym.K_value, "its value at a tilt, for any law", ""),
    Notation(sym.K_slope, "its slope there", ""),
    Notation(
        sym.S(sym.lam), "entropy: log-number of samples at the energies of tilt lambda", "residual of `Transition`"
    ),
    Notation(sym.m(sym.lam), "mean of y along v under the law tilted by exp(-lambda E/t)", ""),
    Notation(sym.p(sym.lam), "variance of y along v under the tilted law", ""),
    Notation(sym.K_G(sym.lam), "K with two cumulants kept", ""),
    Notation(sym.mean_weight, "one direction's factor of the mean Boltzmann weight", ""),
    Notation(sym.log_N_c(sym.lam), "size at which the critical tilt is lambda", "`critical_size`"),
    Notation(sym.log_N_kept, "size above which a direction generalizes, R > 1", "`critical_size`"),
    Notation(sym.log_Z, "logarithm of the partition function", ""),
    Notation(sym.Y_2, "sum of the squared Gibbs weights; its inverse counts active samples", ""),
    Notation(sym.trace_of_squares, "sum of d_b s_b^2", ""),
    Notation(sym.t_c_along, "critical time of the published theory along v", "`critical_time`"),
    Notation(sym.t_half_along, "time of participation one half of the same", "`critical_time`"),
    Notation(sym.s_sphere, "variance along v of data divided by their norm", "`Manifold.block_variances`"),
    Notation(sym.g, "squared amplitude of a probe per direction of its block", ""),
    Notation(sym.r, "ratio s/t", ""),
    Notation(sym.u, "weight of a sample, an integration variable", ""),
    Notation(sym.score_v(sym.x_v), "population score along v", ""),
    Notation(sym.rho_v, "eigenvalue of -tJ along v", ""),
    Notation(sym.t_open, "noise variance below which a direction is open", "opening time of `phase_diagram`"),
    Notation(sym.t_widest, "noise variance at which a gap is widest", ""),
    Notation(sym.gap_max, "height of a gap where it is widest", ""),
    Notation(sym.t_gap_opens, "noise variance at which a gap opens", ""),
    Notation(sym.t_gap_closes, "noise variance at which it closes", ""),
    Notation(sym.log_second_moment, "logarithm of the relative second moment of a Boltzmann weight", ""),
    Notation(sym.mean_score, "mean of the empirical score along v over data sets", ""),
    Notation(sym.log_variance, "logarithm of its variance over data sets", ""),
    Notation(
        sym.log_R, "logarithm of its signal-to-noise ratio, squared mean over variance", "residual of `Transition`"
    ),
    Notation(sym.q, "a power of 1/Z", ""),
    Notation(sym.Z, "partition function, sum of the Boltzmann weights", ""),
    Notation(sym.xi, "ln u, the variable of the integrals at finite N", ""),
    Notation(sym.z, "variable of the Mellin-Barnes integral, minus a tilt", ""),
    Notation(sym.k, "power of u v in an average over one sample", ""),
    Notation(sym.y_0, "reference that g = y_v - y_0 is measured from", ""),
    Notation(sym.log_phi, "ln E exp(-u v) over one sample of Boltzmann weight v", ""),
    Notation(sym.M_1, "E u v exp(-u v) over one sample", ""),
    Notation(sym.M_2, "E (u v)^2 exp(-u v)", ""),
    Notation(sym.M_1g, "E g u v exp(-u v)", ""),
    Notation(sym.M_1gg, "E g^2 u v exp(-u v)", ""),
    Notation(sym.M_2gg, "E g^2 (u v)^2 exp(-u v)", ""),
    Notation(sym.log_a, "logarithm of the Boltzmann weight of a planted sample", "`log_planted`"),
    Notation(sym.g_1, "g at the planted sample", ""),
    Notation(sym.avg_g, "mean over data sets of the Gibbs average of g", ""),
    Notation(sym.avg_gg, "the same of its square", ""),
    Notation(sym.avg_g_squared, "mean over data sets of the squared Gibbs average", ""),
    Notation(sym.quenched_score, "mean of the empirical score at finite N", "`Quenched.score_mean`"),
    Notation(sym.quenched_variance, "its variance over data sets", "`Quenched.score_variance`"),
    Notation(sym.quenched_second, "mean over data sets of the Gibbs average of y_v^2", "`Quenched.second_moment`"),
    Notation(sym.quenched_log_R, "logarithm of the signal-to-noise ratio at finite N", "`Quenched.signal_to_noise`"),
    Notation(sym.balance_Y_2, "balance of the participation criterion at finite N", "residual of `Transition`"),
    Notation(sym.mellin(sym.z), "logarithm of the Mellin-Barnes integrand", ""),
    Notation(sym.mean_g(sym.lam), "mean of g under the tilted law", ""),
    Notation(sym.slope_of_mean(sym.lam), "slope of the tilted mean between 1 and lambda", ""),
    Notation(sym.mean_gg(sym.lam), "mean of its square", ""),
    Notation(sym.inverse_power, "a power of 1/Z as an integral", ""),
    Notation(sym.rising, "rising factorial", ""),
    Notation(sym.density_norm, "density in xi of the sum of weights", ""),
    Notation(sym.density_Y_2, "of the participation", "`Quenched.participation`"),
    Notation(sym.density_log_Z, "of ln Z", "`Quenched.log_partition`"),
    Notation(sym.density_g, "of the Gibbs average of g", ""),
    Notation(sym.density_gg, "of the Gibbs average of its square", ""),
    Notation(sym.density_g_squared, "of the squared Gibbs average of g", ""),
    Notation(sym.density_planted, "of the planted sample's weight", "`Quenched.planted_weight`"),
    Notation(sym.ray_distance, "squared distance from a probe x + sqrt(t) v to a sample", ""),
    Notation(sym.D_0, "squared distance from x", ""),
    Notation(sym.v_offset, "offset of x from the sample along v", ""),
    Notation(sym.v_squared, "squared length of v", ""),
    Notation(sym.D_nearest, "the least squared distance", "`Gibbs.nearest_distance`, its root"),
    Notation(sym.log_weight, "logarithm of a Boltzmann weight relative to the nearest sample's", ""),
    Notation(sym.weight_sum, "sum of these", ""),
    Notation(sym.avg_y, "Gibbs average of y_v over a data set", "`denoiser`"),
    Notation(sym.covariance, "Gibbs covariance of y_v and y_w", ""),
    Notation(sym.delta_vw, "1 if v is w, else 0", ""),
    Notation(sym.empirical_score_v, "empirical score along v", "`score`"),
    Notation(sym.t_later, "a smaller noise variance that the probability flow from t reaches", ""),
    Notation(sym.flowed_x_v, "coordinate along v that the flow of the empirical score reaches there", ""),
    Notation(sym.reversed_mean, "mean of the coordinate that the reverse process reaches there", "`generate`"),
    Notation(sym.reversed_variance, "its variance", "`generate`"),
    Notation(sym.empirical_jacobian_vw, "its derivative along w", "`jacobian`"),
    Notation(sym.dims, "number of dimensions", ""),
    Notation(sym.noisy_value, "root mean square of t S along v, S the orthogonal-frame matrix", "`predicted_spectrum`"),
    Notation(sym.x_here, "coordinate along v of a point, in pairs of points", ""),
    Notation(sym.x_there, "that of the other", ""),
    Notation(sym.pair_log_moment, "one direction's part of ln(E v v'/(E v E v')), v the weights at two points", ""),
    Notation(sym.log_moment(sym.lam), "ln(E v^lambda/(E v)^lambda) of a sample's weight at the mean of the data", ""),
    Notation(sym.log_moment_2, "the same at tilt 2", ""),
    Notation(sym.log_moment_3, "at tilt 3", ""),
    Notation(sym.log_moment_4, "at tilt 4", ""),
    Notation(sym.kappa, "kappa_2/N, the inverse number of active samples", ""),
    Notation(sym.pull, "how fast the fluctuations of ln Z fall away from the mean of the data along v", ""),
    Notation(sym.coupling, "how they couple two points along v", ""),
    Notation(sym.pull_k, "the first of them along k", ""),
    Notation(sym.pull_i, "along i", ""),
    Notation(sym.coupling_k, "the second along k", ""),
    Notation(sym.coupling_i, "along i", ""),
    Notation(sym.row_pull, "mean of the first over the squared coordinates of rows of a frame", ""),
    Notation(sym.row_coupling, "sum of the second over the products of their coordinates", ""),
    Notation(sym.entry_variance, "variance of entry (k, i) of the central differences over data sets", ""),
    Notation(sym.transposed_covariance, "its covariance with entry (i, k)", ""),
    Notation(sym.own_variance, "what a diagonal entry's variance has of its own", ""),
    Notation(sym.common_deviation, "what all diagonal entries fluctuate by together", ""),
    Notation(sym.jacobian_covariance, "variance of entry (k, i) of the exact Jacobian", ""),
    Notation(sym.jacobian_own, "what a diagonal entry of it has of its own", ""),
    Notation(sym.frame_rest, "covariance of two rows of a frame beyond what is common or symmetric", ""),
    Notation(sym.value_shift, "shift of the mean of a diagonal entry, of order 1/N", ""),
    Notation(sym.skew_share, "share of a direction in the skewness of the matrix", ""),
    Notation(sym.log_skew_samples, "logarithm of the number of equal samples of that skewness", ""),
    Notation(sym.participation_spread, "relative variance of the participation over data sets", ""),
    Notation(sym.gap_level, "a value of -tJ between two bulks", ""),
    Notation(sym.drive, "what the noise adds to the values, per coupling", ""),
    Notation(sym.level_values[sym.b], "value of -tJ of block b without memorization", ""),
    Notation(sym.couplings[sym.b], "coupling of block b", ""),
    Notation(sym.bulk_sum, "sum over the bulks that the vector equation sets to theta/kappa", ""),
    Notation(sym.bulk_slope, "its slope in theta", ""),
    Notation(sym.bulk_curvature, "half its curvature", ""),
    Notation(sym.gap_balance, "balance that is zero where two bulks meet", ""),
    Notation(sym.log_N_gap, "size above which there is a gap between two blocks", "`critical_size`"),
    Notation(sym.condensed_excess, "participation over t by the published theory", ""),
    Notation(sym.published_value, "published value of -tJ along v", "`predicted_spectrum`"),
    Notation(sym.log_N_collapse, "size at which noised training points condense, L", "`trajectory_times`"),
    Notation(sym.log_N_onset, "size at which a training point outweighs the rest where it lies, L + A", ""),
    Notation(sym.log_N_held_out, "size at which fresh points condense, L - B", ""),
    Notation(sym.half_signal, "half the sum of s/(t + s) over the directions", ""),
    Notation(sym.t_ratio, "generalization time over held-out condensation time", ""),
    Notation(sym.dominance, "squared distance, in t per direction, up to which a training point dominates", ""),
    Notation(sym.excess_entropy, "excess entropy per dimension of the noised training set", "`excess_entropy`"),
    Notation(sym.log_own_weight, "logarithm of the Gibbs weight of a noised training point's own sample", ""),
    Notation(sym.collapse_bound, "least mean participation at noised training points of a given excess entropy", ""),
    Notation(sym.log_empirical_density, "log-density of the noised training set", ""),
    Notation(sym.flow_ratio, "coordinate along v at t' over that at t, under the population's flow", ""),
    Notation(
        sym.log_N_captured, "size at which the flow from a training point has its weight equal to the rest at t'", ""
    ),
    Notation(sym.log_N_basin, "size at which the flow decides at t' whether it ends at the training point", ""),
    Notation(sym.basin, "the same distance up to which the probability flow ends there", "`flow_basin_radius`"),
    Notation(sym.alpha, "latent dimensions per dimension", "`latent_ratio`"),
    Notation(sym.w[sym.b], "share of the latent dimensions that have the variance of block b", "`weights`"),
    Notation(sym.G, "resolvent of a random manifold, mean of 1/(t + s) over its spectrum", ""),
    Notation(sym.G_prime, "its slope in t", ""),
    Notation(sym.latent_sum(sym.G), "what the latent variables add to t in the balance of the resolvent", ""),
    Notation(sym.latent_slope, "its slope", ""),
    Notation(sym.resolvent_balance, "balance that vanishes at the resolvent", ""),
    Notation(sym.companion, "resolvent outside the spectrum", ""),
    Notation(
        sym.bulk_map, "place on the real axis that has it, an edge of a bulk where it is stationary", "`bulk_edges`"
    ),
    Notation(sym.column_ratio, "variance s/alpha that a latent variable brings to its column of F, over t", ""),
    Notation(sym.block_root, "4 z_F (1 - t G) of one block", ""),
    Notation(sym.latent_information, "twice the information L per latent variable of one block", ""),
    Notation(sym.bulk_value, "an eigenvalue of F F^T that is not zero", ""),
    Notation(sym.bulk_density, "density of these among all directions, one block", ""),
    Notation(sym.jacobian_density, "density of the eigenvalues of -tJ that are not 1", "`jacobian_edges`"),
    Notation(sym.flat_share, "share of the directions in which -tJ is 1", ""),
    Notation(sym.i, "a class of a mixture of Gaussians", ""),
    Notation(sym.C, "number of classes", ""),
    Notation(sym.class_weight[sym.i], "share of the samples that belong to class i", "`GaussianMixture.weights`"),
    Notation(sym.class_excess[sym.i], "K of class i less that of a class of reference, at the same probe", ""),
    Notation(sym.class_excess_2[sym.i], "the same at tilt 2", ""),
    Notation(sym.class_log_size[sym.i], "critical size of class i alone", ""),
    Notation(sym.class_mean[sym.i], "posterior mean of y along v in class i", ""),
    Notation(sym.class_mean_2[sym.i], "the same at tilt 2", ""),
    Notation(sym.separation[sym.b], "squared distance between two classes' centers inside block b", ""),
    Notation(
        sym.overlap[sym.b], "inner product inside block b of the vectors from the reference's center to two others", ""
    ),
    Notation(sym.projection[sym.b], "inner product inside block b of such a vector with the probe", ""),
    Notation(sym.x_variance[sym.b], "variance per direction of block b of a random probe about its class's center", ""),
    Notation(sym.reference_K, "K of the class of reference at tilt 1", ""),
    Notation(sym.reference_K_2, "the same at tilt 2", ""),
    Notation(sym.reference_weight, "share of the class of reference", ""),
    Notation(sym.mixture_excess, "K of the mixture less that of the class of reference", ""),
    Notation(sym.mixture_log_size, "size at which the critical tilt of a mixture is lambda", "`critical_time`"),
    Notation(sym.mixture_log_size_kept, "size above which a direction of a mixture generalizes", "`critical_time`"),
    Notation(sym.mixture_mean, "posterior mean of y along v", ""),
    Notation(sym.class_variance_2[sym.i], "variance of y along v in class i under the law tilted by 2", ""),
    Notation(
        sym.probe_overlap[sym.b], "inner product, inside block b, of v with the probe's displacement from a mean", ""
    ),
    Notation(sym.direction_share[sym.b], "squared length of v inside block b", ""),
    Notation(sym.response[sym.b], "what a displacement of the probe inside block b does to the tilted mean of y", ""),
    Notation(sym.response_slope[sym.b], "its slope between the tilts 1 and lambda", ""),
    Notation(sym.remaining_spread[sym.b], "tilted variance of y along a unit vector inside block b", ""),
    Notation(sym.tilt_mean, "mean of y along v under a tilted law, as a number", ""),
    Notation(sym.tilt_variance, "variance of y along v under a tilted law, as a number", ""),
    Notation(sym.energy, "energy of a sample of a pool, over t", ""),
    Notation(sym.sample_weight, "Boltzmann weight of a sample of a pool, times u", ""),
    Notation(sym.weight_function, "a function of it that is averaged over the pool", ""),
    Notation(sym.excess_mean, "mean of the excess of class i over random probes of the class of reference", ""),
    Notation(sym.excess_covariance, "covariance of two classes' excesses over random probes", ""),
    Notation(sym.displaced_excess, "mean of H at training points displaced by r_y t per direction", ""),
    Notation(sym.log_N_dominance, "size at which a training point of a mixture outweighs the rest up to r_y", ""),
    Notation(sym.same_class, "probability that two clones end in the same class", "`cloning_curve`"),
    Notation(sym.largest_eigenvalue, "largest eigenvalue of the data's covariance", ""),
    Notation(
        sym.class_offset[sym.i], "offset of class i's center from their mean, along where centers spread most", ""
    ),
    Notation(sym.t_speciation, "noise variance of speciation", "`trajectory_times`"),
    Notation(sym.psi_p, "hidden units of a random-features network per dimension", "`width`"),
    Notation(sym.psi_n, "training samples per dimension", "`num_samples`"),
    Notation(sym.share[sym.b], "share of the directions that are in block b", ""),
    Notation(sym.mean_variance, "mean variance of the data's directions", ""),
    Notation(sym.feature_slope, "linear part of a feature: mean slope of the activation", "`activation`"),
    Notation(
        sym.feature_memory,
        "variance of a feature that one sample's noise leaves and no linear map of the sample explains",
        "",
    ),
    Notation(sym.feature_blur, "variance of a feature's linear part under the noise", ""),
    Notation(sym.feature_floor, "variance of a feature's other part under the noise", ""),
    Notation(sym.hermite_weight[sym.i], "squared Hermite coefficient of an activation", ""),
    Notation(sym.hermite_order[sym.i], "its order, 2 or more", ""),
    Notation(sym.ridge, "ridge of a network's second layer", "`ridge`"),
    Notation(sym.feature_trace, "trace of the resolvent of the features' second moments U, per dimension", ""),
    Notation(sym.sample_factor, "by how much a sample's own part in U shrinks its own features' resolvent", ""),
    Notation(sym.trace_1, "the same at the first of two ridges", ""),
    Notation(sym.trace_2, "and at the second", ""),
    Notation(sym.factor_1, "the same at the first of two ridges", ""),
    Notation(sym.factor_2, "and at the second", ""),
    Notation(sym.trace_corner, "corner of the two resolvents' trace over both traces", ""),
    Notation(sym.factor_corner, "corner of their samples' factor over both factors", ""),
    Notation(sym.h_v, "resolvent of U along the image of v in the features", ""),
    Notation(sym.h_1, "the same at the first of two ridges", ""),
    Notation(sym.h_2, "and at the second", ""),
    Notation(sym.mean_1, "its mean over all directions at the first ridge", ""),
    Notation(sym.mean_2, "and at the second", ""),
    Notation(sym.mean_12, "mean of the product over all directions", ""),
    Notation(sym.mean_s12, "mean of the product times s", ""),
    Notation(sym.mean_ss12, "mean of the product times s^2", ""),
    Notation(sym.feature_value, "eigenvalue of U", ""),
    Notation(sym.training_time, "time of gradient flow at unit rate", "`training_time`"),
    Notation(sym.flow_filter, "what training has made of the inverse of an eigenvalue of U", ""),
    Notation(sym.largest_feature_value, "bound on the eigenvalues of U", ""),
    Notation(
        sym.network_response, "response of a network's score along v to a displacement along v", "`random_features`"
    ),
    Notation(sym.network_noise, "variance of a network's score along v that its response does not explain", ""),
    Notation(sym.network_second, "mean square of a network's score along v", "`random_features`"),
    Notation(sym.network_log_R, "logarithm of a network's signal-to-noise ratio along v", "`random_features`"),
    Notation(sym.network_excess, "excess loss of a network along v over the exact score", "`random_features`"),
    Notation(sym.tau, "time of a noise schedule, on its own clock", "`time`"),
    Notation(sym.omega, "standard normal noise along v", ""),
    Notation(sym.scale, "what a schedule multiplies the data by", ""),
    Notation(sym.noise_level, "what it multiplies the noise by", ""),
    Notation(sym.sigma, "noise level sqrt(t), the clock of EDM", "`VarianceExploding`"),
    Notation(sym.alphabar, "squared scale of a variance-preserving schedule", "`Discrete.alphabar`"),
    Notation(sym.cosine_offset, "offset at the start of the cosine schedule", ""),
    Notation(sym.sigma_min, "least noise level of a schedule", ""),
    Notation(sym.sigma_max, "greatest noise level of a schedule", ""),
    Notation(sym.sigma_data, "size of the noise of a trigonometric schedule", ""),
    Notation(sym.beta_min, "rate of noise at the start of a schedule", ""),
    Notation(sym.beta_max, "rate of noise at the end of a schedule", ""),
    Notation(sym.decay_rate, "rate at which a squared scale decays", ""),
    Notation(sym.kept_share(sym.tau), "squared scale as a function of time", ""),
    Notation(sym.tail, "fraction of the steps from the nearer end", ""),
    Notation(sym.tail_offset, "offset of that fraction", ""),
    Notation(sym.log_ratio, "logarithm of a ratio of signal to noise", ""),
    Notation(sym.ratio_shift, "factor of the noise variances of a schedule", ""),
    Notation(sym.alphabar_first, "squared scale of the first step", ""),
    Notation(sym.alphabar_last, "squared scale of the last step", ""),
    Notation(sym.score_ratio, "score of a schedule at x over the variance-exploding one at x/a", "`score_factor`"),
    Notation(sym.jacobian_ratio, "the same of their Jacobians", "`jacobian_factor`"),
    Notation(sym.log_density(sym.x_v), "log-density of the noised data", ""),
    Notation(sym.dimension_t, "local dimension seen at noise variance t", "`local_dimension`"),
    Notation(sym.dimension_slope, "its slope in ln t", ""),
    Notation(sym.dimension_0, "the local dimension extrapolated to t = 0", "`local_dimension`"),
    Notation(sym.reduced_distance, "squared distance to a sample in units of t", ""),
    Notation(sym.second_reduced, "Gibbs average of its square", ""),
    Notation(sym.displacement, "squared distance from the probe to the Gibbs average of the samples", ""),
    Notation(sym.end_effect, "the same in units of t, without what scatter over data sets adds", ""),
    Notation(sym.half_weight_sum, "sum of the relative weights at half the noise variance", ""),
    Notation(sym.half_1, "Gibbs average of e at half the noise variance, in units of that", ""),
    Notation(sym.half_2, "the same of its square", ""),
    Notation(sym.half_3, "of its cube", ""),
    Notation(sym.half_4, "of its fourth power", ""),
    Notation(sym.variance_by_weights(sym.dimension_t), "variance of an estimate over data sets, by the weights", ""),
    Notation(sym.variance_on_plane(sym.dimension_t), "the same where the data are a plane of so many dimensions", ""),
)


def notation_table() -> str:
    """The notation as a Markdown table, one line per symbol."""
    rows = [f"| ${line.latex}$ | {line.meaning} | {line.code} |" for line in NOTATION]
    return "\n".join(["| symbol | meaning | in code |", "|---|---|---|", *rows])


class NotationChapter(NamedTuple):
    """The notation under a title, printed in the formats of the chapters of equations."""

    name: str
    title: str
    introduction: str

    def to_markdown(self) -> str:
        return f"## {self.title}\n\n{self.introduction}\n\n{notation_table()}\n"

    def to_latex(self) -> str:
        lines = [rf"\section{{{latex_prose(self.title)}}}", latex_prose(self.introduction), r"\begin{description}"]
        for line in NOTATION:
            code = f" ({line.code})" if line.code else ""
            lines.append(rf"\item[$\displaystyle {line.latex}$] {latex_prose(line.meaning + code)}.")
        return "\n".join([*lines, r"\end{description}", ""])

    def to_rows(self) -> list[dict[str, object]]:
        """One dictionary per symbol, for JSON; the name in code is empty where it has none."""
        return [
            {"chapter": self.name, "latex": line.latex, "meaning": line.meaning, "code": line.code.replace("`", "")}
            for line in NOTATION
        ]

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


CHAPTER = NotationChapter(
    name="notation",
    title="Notation",
    introduction="Every symbol of the equations, its meaning, and its name in code where a user meets it.",
)
