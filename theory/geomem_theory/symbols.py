"""Every symbol of the theory: its assumptions, its meaning, and its name in code.

The notation follows Achilli et al., *Losing dimensions*, arXiv:2410.08727, with
the local variance written s = sigma^2. Expressions are matched by these objects,
never by name, so nothing else in the project makes a symbol of its own.

The assumptions (positive times, real coordinates) serve the integrals and the
square roots. Lowered functions are rational functions, logarithms and roots of
their arguments and continue to complex arguments as such.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import sympy as sp


def _function(name: str) -> Callable[..., sp.Expr]:
    return cast(Callable[..., sp.Expr], sp.Function(name))


class Notation(NamedTuple):
    """One line of the notation table."""

    symbol: sp.Basic
    meaning: str
    code: str

    @property
    def latex(self) -> str:
        return sp.latex(self.symbol)


# Sizes and the diffusion noise.
N = sp.Symbol("N", positive=True)
log_N = sp.Symbol(r"\ln{N}", positive=True)
t = sp.Symbol("t", positive=True)

# The spectrum: blocks b = 1 ... B of directions that share one variance.
b = sp.Symbol("b", integer=True, positive=True)
c = sp.Symbol("c", integer=True, positive=True)
B = sp.Symbol("B", integer=True, positive=True)
s = sp.IndexedBase("s", nonnegative=True)
d = sp.IndexedBase("d", positive=True)
Q = sp.IndexedBase("Q", nonnegative=True)

# The probed direction v, taken out of its block.
s_v = sp.Symbol("s_v", positive=True)
x_v = sp.Symbol("x_v", real=True)
y_v = sp.Symbol("y_v", real=True)
q_v = sp.Symbol("x_v^{2}", positive=True)
delta = sp.IndexedBase(r"\delta", nonnegative=True)
Q_rest = sp.IndexedBase(r"Q^{\perp}", nonnegative=True)
a = sp.Symbol("a", nonnegative=True)

# The random-energy model.
lam = sp.Symbol("lambda", positive=True)
lam_c = sp.Symbol("lambda_c", positive=True)
h = sp.Symbol("h", real=True)
k_1 = sp.Symbol("kappa_1", positive=True)
k_2 = sp.Symbol("kappa_2", positive=True)
t_c = sp.Symbol("t_c", positive=True)

# Gaps of the Jacobian spectrum, between a wider block and a narrower one.
s_wide = sp.Symbol("s_+", positive=True)
s_narrow = sp.Symbol("s_-", positive=True)
gap = sp.Symbol("Delta", positive=True)

E_v = _function("E_v")
K = _function("K")
K_G = _function("K_G")
S = _function("S")
S_G = _function("S_G")
m = _function("m")
p = _function("p")

# Results: the left sides of the equations that define them.
mean_weight = sp.Symbol(r"E_y\,e^{-\lambda E_v/t}")
log_N_c = _function(r"\ln{N_c}")
log_N_kept = sp.Symbol(r"\ln{N_c^{R}}")
log_Z = sp.Symbol(r"\ln{Z}")
Y_2 = sp.Symbol("Y_2", positive=True)
trace_of_squares = sp.Symbol(r"\mathrm{tr}\,\Sigma^2", positive=True)
t_c_along = sp.Symbol("t_c^{*}", positive=True)
t_half_along = sp.Symbol("t_{1/2}^{*}", positive=True)
s_sphere = sp.Symbol(r"\tilde{s}_v", positive=True)
g = sp.Symbol("g", positive=True)
r = sp.Symbol("r", positive=True)
u = sp.Symbol("u", positive=True)
score_v = _function(r"\partial_v\ln{p}")
rho_v = sp.Symbol(r"\rho_v", positive=True)
t_open = sp.Symbol(r"t_{\mathrm{open}}", positive=True)
t_widest = sp.Symbol(r"t_{\Delta}", positive=True)
gap_max = sp.Symbol(r"\Delta_{\max}", positive=True)
t_gap_opens = sp.Symbol("t_{+}", positive=True)
t_gap_closes = sp.Symbol("t_{-}", positive=True)
log_second_moment = sp.Symbol("K(2) - 2K(1)", real=True)
mean_score = sp.Symbol(r"\overline{\hat{s}_v}", real=True)
log_variance = sp.Symbol(r"\ln{\mathrm{Var}\,\hat{s}_v}", real=True)
log_R = sp.Symbol(r"\ln{R}", real=True)

# Finite N: one sample's averages, and densities in xi whose integrals are averages over data sets.
q = sp.Symbol("q", positive=True)
Z = sp.Symbol("Z", positive=True)
xi = sp.Symbol("xi", real=True)
z = sp.Symbol("z", positive=True)
k = sp.Symbol("k", positive=True)
j = sp.Symbol("j", positive=True)
y_0 = sp.Symbol("y_0", real=True)
log_phi = sp.Symbol(r"\ln{\varphi}", real=True)
M_1 = sp.Symbol("M_1", real=True)
M_2 = sp.Symbol("M_2", real=True)
M_1g = sp.Symbol("M_{1g}", real=True)
M_1gg = sp.Symbol("M_{1gg}", real=True)
M_2gg = sp.Symbol("M_{2gg}", real=True)
log_a = sp.Symbol(r"\ln{w_1}", real=True)
g_1 = sp.Symbol("g_1", real=True)
avg_g = sp.Symbol(r"\overline{\langle g\rangle}", real=True)
avg_gg = sp.Symbol(r"\overline{\langle g^2\rangle}", real=True)
avg_g_squared = sp.Symbol(r"\overline{\langle g\rangle^2}", real=True)
quenched_score = sp.Symbol(r"\overline{\hat{s}_v}^{N}", real=True)
quenched_variance = sp.Symbol(r"\mathrm{Var}_N\,\hat{s}_v", positive=True)
quenched_second = sp.Symbol(r"\overline{\langle y_v^2\rangle}", real=True)
quenched_log_R = sp.Symbol(r"\ln{R_N}", real=True)

# The empirical score of one data set.
t_later = sp.Symbol("t'", positive=True)
ray_distance = sp.Symbol("D_t", nonnegative=True)
D_0 = sp.Symbol("D_0", nonnegative=True)
v_offset = sp.Symbol(r"v\cdot(x - y)", real=True)
v_squared = sp.Symbol("v^2", nonnegative=True)
D_nearest = sp.Symbol("D_*", nonnegative=True)
log_weight = sp.Symbol(r"\ln{(w/w_*)}", real=True)
weight_sum = sp.Symbol("Z/w_*", positive=True)
avg_y = sp.Symbol(r"\langle y_v\rangle", real=True)
covariance = sp.Symbol("C_{vw}", real=True)
delta_vw = sp.Symbol(r"\delta_{vw}", nonnegative=True)
empirical_score_v = sp.Symbol(r"\hat{s}_v", real=True)
flowed_x_v = sp.Symbol("x_v(t')", real=True)
reversed_mean = sp.Symbol(r"\mathrm{E}\,x_v(t')", real=True)
reversed_variance = sp.Symbol(r"\mathrm{Var}\,x_v(t')", positive=True)
empirical_jacobian_vw = sp.Symbol(r"\hat{J}_{vw}", real=True)
dims = sp.Symbol("d", positive=True)
noisy_value = sp.Symbol(r"\rho_v^{N}", positive=True)
condensed_excess = sp.Symbol(r"\Phi", nonnegative=True)
published_value = sp.Symbol(r"\sigma_v", positive=True)

# Typical trajectories, and random manifolds.
log_N_collapse = sp.Symbol(r"\ln{N_C}", real=True)
log_N_onset = sp.Symbol(r"\ln{N_O}", real=True)
log_N_held_out = sp.Symbol(r"\ln{N_D}", real=True)
half_signal = sp.Symbol("A", positive=True)
t_ratio = sp.Symbol(r"\frac{t_G}{t_D}", positive=True)
dominance = sp.Symbol("r_y", real=True)
excess_entropy = sp.Symbol("f", real=True)
log_own_weight = sp.Symbol(r"\ln{w_1/Z}", real=True)
collapse_bound = sp.Symbol(r"\overline{Y_2}^{\min}", positive=True)
log_empirical_density = sp.Symbol(r"\ln{p^{emp}}", real=True)
flow_ratio = sp.Symbol(r"\frac{x_v(t')}{x_v(t)}", positive=True)
log_N_captured = sp.Symbol(r"\ln{N_F}", real=True)
log_N_basin = sp.Symbol(r"\ln{N_B}", real=True)
basin = sp.Symbol("r_F", real=True)
alpha = sp.Symbol("alpha", positive=True)
w = sp.IndexedBase("w", positive=True)
G = sp.Symbol("G", positive=True)
G_prime = sp.Symbol("G'", negative=True)
latent_sum = _function("R")
latent_slope = sp.Symbol("R'", real=True)
resolvent_balance = sp.Symbol(r"\mathcal{B}", real=True)
companion = sp.Symbol("x", real=True)
bulk_map = sp.Symbol("z(x)", real=True)
column_ratio = sp.Symbol("z_F", positive=True)
block_root = sp.Symbol("H_F", positive=True)
latent_information = sp.Symbol("V", positive=True)
bulk_value = sp.Symbol("s_F", positive=True)
bulk_density = sp.Symbol("p_F", positive=True)
jacobian_density = sp.Symbol(r"p_{\rho}", positive=True)
flat_share = sp.Symbol("p_1", nonnegative=True)

# Mixtures of Gaussians: classes i = 1 ... C of one covariance, seen from a class of reference.
i = sp.Symbol("i", integer=True, positive=True)
C = sp.Symbol("C", integer=True, positive=True)
class_weight = sp.IndexedBase(r"\pi", positive=True)
class_excess = sp.IndexedBase("h", real=True)
class_excess_2 = sp.IndexedBase(r"h^{(2)}", real=True)
class_log_size = sp.IndexedBase(r"\ell", real=True)
class_mean = sp.IndexedBase(r"m^{(1)}", real=True)
class_mean_2 = sp.IndexedBase(r"m^{(2)}", real=True)
separation = sp.IndexedBase(r"\Delta^{2}", nonnegative=True)
overlap = sp.IndexedBase(r"\Gamma", real=True)
projection = sp.IndexedBase("P", real=True)
x_variance = sp.IndexedBase("v", nonnegative=True)
reference_K = sp.Symbol("K_{*}(1)", real=True)
reference_K_2 = sp.Symbol("K_{*}(2)", real=True)
reference_weight = sp.Symbol(r"\pi_{*}", positive=True)
mixture_excess = sp.Symbol("H", real=True)
excess_function = _function("h")
mixture_log_size = sp.Symbol(r"\ln{N_c^{C}}", real=True)
mixture_log_size_kept = sp.Symbol(r"\ln{N_c^{R,C}}", real=True)
mixture_mean = sp.Symbol(r"\bar{m}", real=True)
excess_mean = sp.Symbol(r"\overline{h_i}", real=True)
excess_covariance = sp.Symbol(r"\overline{\delta{h_i}\,\delta{h_j}}", real=True)
same_class = sp.Symbol(r"\phi", positive=True)
largest_eigenvalue = sp.Symbol("Lambda", positive=True)
class_offset = sp.IndexedBase(r"\mu", real=True)
t_speciation = sp.Symbol("t_S", positive=True)
tilt_variance = sp.Symbol("p(2)", positive=True)

# Noise schedules: a noised sample a y + b omega on the clock tau.
tau = sp.Symbol("tau", positive=True)
omega = sp.Symbol("omega", real=True)
scale = sp.Symbol(r"a_{\tau}", positive=True)
noise_level = sp.Symbol(r"b_{\tau}", positive=True)
sigma = sp.Symbol("sigma", positive=True)
alphabar = sp.Symbol(r"\bar{\alpha}", positive=True)
cosine_offset = sp.Symbol("s_0", positive=True)
score_ratio = sp.Symbol("f_1", positive=True)
jacobian_ratio = sp.Symbol("f_2", positive=True)
log_density = _function(r"\ln{p}")

mellin = _function("F")
residue = _function(r"\rho")
mean_g = _function(r"\mu_g")
mean_gg = _function(r"\mu_{gg}")
inverse_power = sp.Symbol("Z^{-q}", positive=True)
rising = sp.Symbol("(z)_k", real=True)
balance_Y_2 = sp.Symbol(r"-\ln{2Y_2}", real=True)
density_norm = sp.Symbol("D_1", real=True)
density_Y_2 = sp.Symbol("D_{Y_2}", real=True)
density_log_Z = sp.Symbol(r"D_{\ln{Z}}", real=True)
density_g = sp.Symbol("D_g", real=True)
density_gg = sp.Symbol("D_{gg}", real=True)
density_g_squared = sp.Symbol("D_{g,g}", real=True)
density_planted = sp.Symbol("D_{w_1}", real=True)

NOTATION: tuple[Notation, ...] = (
    Notation(N, "number of training samples", "`num_samples`"),
    Notation(log_N, "its logarithm, the size in which everything is computed", "`log_num_samples`"),
    Notation(t, "variance of the diffusion noise, x = y + sqrt(t) omega", "`noise_variance`"),
    Notation(b, "a block: the directions that share one local variance", "`block`"),
    Notation(c, "a second block index, where two sums meet", ""),
    Notation(B, "number of blocks", ""),
    Notation(s[b], "local variance of the data along the directions of block b", "`variances`"),
    Notation(d[b], "number of directions of block b", "`multiplicities`"),
    Notation(Q[b], "squared length of the probe inside block b", "`Probe.squared_lengths`"),
    Notation(s_v, "local variance along the probed direction v", ""),
    Notation(x_v, "coordinate of the probe along v", ""),
    Notation(q_v, "its square", ""),
    Notation(y_v, "coordinate of a training sample along v", ""),
    Notation(delta[b], "1 for the block that holds v, else 0", ""),
    Notation(Q_rest[b], "squared length of the probe inside block b, v left out", ""),
    Notation(a, "amplitude of a probe, in units of sqrt(t)", "`amplitude`"),
    Notation(lam, "tilt: inverse temperature in units of 1/t", ""),
    Notation(lam_c, "tilt at which the entropy vanishes; condensed where it is below 1", ""),
    Notation(h, "source that generates the moments of y along v", ""),
    Notation(k_1, "first cumulant of the random energy", ""),
    Notation(k_2, "second cumulant of the random energy", ""),
    Notation(t_c, "critical noise variance", "`critical_time`"),
    Notation(s_wide, "the larger of two local variances that a gap separates", ""),
    Notation(s_narrow, "the smaller of them", ""),
    Notation(gap, "height of a gap in the spectrum of -tJ", ""),
    Notation(E_v(x_v), "random energy of one direction, half a squared distance", ""),
    Notation(K(lam), "generating function of the random energy, ln E exp(-lambda E/t)", ""),
    Notation(S(lam), "entropy: log-number of samples at the energies of tilt lambda", "residual of `Transition`"),
    Notation(m(lam), "mean of y along v under the law tilted by exp(-lambda E/t)", ""),
    Notation(p(lam), "variance of y along v under the tilted law", ""),
    Notation(K_G(lam), "K with two cumulants kept", ""),
    Notation(S_G(lam), "entropy with two cumulants kept", "residual of `Transition`"),
    Notation(mean_weight, "one direction's factor of the mean Boltzmann weight", ""),
    Notation(log_N_c(lam), "size at which the critical tilt is lambda", "`critical_size`"),
    Notation(log_N_kept, "size above which a direction generalizes, R > 1", "`critical_size`"),
    Notation(log_Z, "logarithm of the partition function", ""),
    Notation(Y_2, "sum of the squared Gibbs weights; its inverse counts active samples", ""),
    Notation(trace_of_squares, "sum of d_b s_b^2", ""),
    Notation(t_c_along, "critical time of the published theory along v", "`critical_time`"),
    Notation(t_half_along, "time of participation one half of the same", "`critical_time`"),
    Notation(s_sphere, "variance along v of data divided by their norm", "`Manifold.block_variances`"),
    Notation(g, "squared amplitude of a probe per direction of its block", ""),
    Notation(r, "ratio s/t", ""),
    Notation(u, "weight of a sample, an integration variable", ""),
    Notation(score_v(x_v), "population score along v", ""),
    Notation(rho_v, "eigenvalue of -tJ along v", ""),
    Notation(t_open, "noise variance below which a direction is open", "`opening_time`"),
    Notation(t_widest, "noise variance at which a gap is widest", ""),
    Notation(gap_max, "height of a gap where it is widest", ""),
    Notation(t_gap_opens, "noise variance at which a gap opens", ""),
    Notation(t_gap_closes, "noise variance at which it closes", ""),
    Notation(log_second_moment, "logarithm of the relative second moment of a Boltzmann weight", ""),
    Notation(mean_score, "mean of the empirical score along v over data sets", ""),
    Notation(log_variance, "logarithm of its variance over data sets", ""),
    Notation(log_R, "logarithm of its signal-to-noise ratio, squared mean over variance", "residual of `Transition`"),
    Notation(q, "a power of 1/Z", ""),
    Notation(Z, "partition function, sum of the Boltzmann weights", ""),
    Notation(xi, "ln u, the variable of the integrals at finite N", ""),
    Notation(z, "variable of the Mellin-Barnes integral, minus a tilt", ""),
    Notation(k, "power of u v in an average over one sample", ""),
    Notation(j, "order of a pole", ""),
    Notation(y_0, "reference that g = y_v - y_0 is measured from", ""),
    Notation(log_phi, "ln E exp(-u v) over one sample of Boltzmann weight v", ""),
    Notation(M_1, "E u v exp(-u v) over one sample", ""),
    Notation(M_2, "E (u v)^2 exp(-u v)", ""),
    Notation(M_1g, "E g u v exp(-u v)", ""),
    Notation(M_1gg, "E g^2 u v exp(-u v)", ""),
    Notation(M_2gg, "E g^2 (u v)^2 exp(-u v)", ""),
    Notation(log_a, "logarithm of the Boltzmann weight of a planted sample", "`log_planted`"),
    Notation(g_1, "g at the planted sample", ""),
    Notation(avg_g, "mean over data sets of the Gibbs average of g", ""),
    Notation(avg_gg, "the same of its square", ""),
    Notation(avg_g_squared, "mean over data sets of the squared Gibbs average", ""),
    Notation(quenched_score, "mean of the empirical score at finite N", "`Quenched.score_mean`"),
    Notation(quenched_variance, "its variance over data sets", "`Quenched.score_variance`"),
    Notation(quenched_second, "mean over data sets of the Gibbs average of y_v^2", "`Quenched.second_moment`"),
    Notation(quenched_log_R, "logarithm of the signal-to-noise ratio at finite N", "`Quenched.signal_to_noise`"),
    Notation(balance_Y_2, "balance of the participation criterion at finite N", "residual of `Transition`"),
    Notation(mellin(z), "logarithm of the Mellin-Barnes integrand", ""),
    Notation(residue(j), "its residue at the pole z = -j", ""),
    Notation(mean_g(lam), "mean of g under the tilted law", ""),
    Notation(mean_gg(lam), "mean of its square", ""),
    Notation(inverse_power, "a power of 1/Z as an integral", ""),
    Notation(rising, "rising factorial", ""),
    Notation(density_norm, "density in xi of the sum of weights", ""),
    Notation(density_Y_2, "of the participation", "`Quenched.participation`"),
    Notation(density_log_Z, "of ln Z", "`Quenched.log_partition`"),
    Notation(density_g, "of the Gibbs average of g", ""),
    Notation(density_gg, "of the Gibbs average of its square", ""),
    Notation(density_g_squared, "of the squared Gibbs average of g", ""),
    Notation(density_planted, "of the planted sample's weight", "`Quenched.planted_weight`"),
    Notation(ray_distance, "squared distance from a probe x + sqrt(t) v to a sample", ""),
    Notation(D_0, "squared distance from x", ""),
    Notation(v_offset, "offset of x from the sample along v", ""),
    Notation(v_squared, "squared length of v", ""),
    Notation(D_nearest, "the least squared distance", "`Gibbs.nearest_distance`, its root"),
    Notation(log_weight, "logarithm of a Boltzmann weight relative to the nearest sample's", ""),
    Notation(weight_sum, "sum of these", ""),
    Notation(avg_y, "Gibbs average of y_v over a data set", "`denoiser`"),
    Notation(covariance, "Gibbs covariance of y_v and y_w", ""),
    Notation(delta_vw, "1 if v is w, else 0", ""),
    Notation(empirical_score_v, "empirical score along v", "`score`"),
    Notation(t_later, "a smaller noise variance that the probability flow from t reaches", ""),
    Notation(flowed_x_v, "coordinate along v that the flow of the empirical score reaches there", ""),
    Notation(reversed_mean, "mean of the coordinate that the reverse process reaches there", "`generate`"),
    Notation(reversed_variance, "its variance", "`generate`"),
    Notation(empirical_jacobian_vw, "its derivative along w", "`jacobian`"),
    Notation(dims, "number of dimensions", ""),
    Notation(noisy_value, "root mean square of t S along v, S the orthogonal-frame matrix", "`predicted_spectrum`"),
    Notation(condensed_excess, "participation over t by the published theory", ""),
    Notation(published_value, "published value of -tJ along v", "`predicted_spectrum`"),
    Notation(log_N_collapse, "size at which noised training points condense, L", "`trajectory_times`"),
    Notation(log_N_onset, "size at which a training point outweighs the rest where it lies, L + A", ""),
    Notation(log_N_held_out, "size at which fresh points condense, L - B", ""),
    Notation(half_signal, "half the sum of s/(t + s) over the directions", ""),
    Notation(t_ratio, "generalization time over held-out condensation time", ""),
    Notation(dominance, "squared distance, in t per direction, up to which a training point dominates", ""),
    Notation(excess_entropy, "excess entropy per dimension of the noised training set", "`excess_entropy`"),
    Notation(log_own_weight, "logarithm of the Gibbs weight of a noised training point's own sample", ""),
    Notation(collapse_bound, "least mean participation at noised training points of a given excess entropy", ""),
    Notation(log_empirical_density, "log-density of the noised training set", ""),
    Notation(flow_ratio, "coordinate along v at t' over that at t, under the population's flow", ""),
    Notation(log_N_captured, "size at which the flow from a training point has its weight equal to the rest at t'", ""),
    Notation(log_N_basin, "size at which the flow decides at t' whether it ends at the training point", ""),
    Notation(basin, "the same distance up to which the probability flow ends there", "`flow_basin_radius`"),
    Notation(alpha, "latent dimensions per dimension", "`latent_ratio`"),
    Notation(w[b], "share of the latent dimensions that have the variance of block b", "`weights`"),
    Notation(G, "resolvent of a random manifold, mean of 1/(t + s) over its spectrum", ""),
    Notation(G_prime, "its slope in t", ""),
    Notation(latent_sum(G), "what the latent variables add to t in the balance of the resolvent", ""),
    Notation(latent_slope, "its slope", ""),
    Notation(resolvent_balance, "balance that vanishes at the resolvent", ""),
    Notation(companion, "resolvent outside the spectrum", ""),
    Notation(bulk_map, "place on the real axis that has it, an edge of a bulk where it is stationary", "`bulk_edges`"),
    Notation(column_ratio, "variance s/alpha that a latent variable brings to its column of F, over t", ""),
    Notation(block_root, "4 z_F (1 - t G) of one block", ""),
    Notation(latent_information, "twice the information L per latent variable of one block", ""),
    Notation(bulk_value, "an eigenvalue of F F^T that is not zero", ""),
    Notation(bulk_density, "density of these among all directions, one block", ""),
    Notation(jacobian_density, "density of the eigenvalues of -tJ that are not 1", "`jacobian_edges`"),
    Notation(flat_share, "share of the directions in which -tJ is 1", ""),
    Notation(i, "a class of a mixture of Gaussians", ""),
    Notation(C, "number of classes", ""),
    Notation(class_weight[i], "share of the samples that belong to class i", "`GaussianMixture.weights`"),
    Notation(class_excess[i], "K of class i less that of a class of reference, at the same probe", ""),
    Notation(class_excess_2[i], "the same at tilt 2", ""),
    Notation(class_log_size[i], "critical size of class i alone", ""),
    Notation(class_mean[i], "posterior mean of y along v in class i", ""),
    Notation(class_mean_2[i], "the same at tilt 2", ""),
    Notation(separation[b], "squared distance between two classes' centers inside block b", ""),
    Notation(overlap[b], "inner product inside block b of the vectors from the reference's center to two others", ""),
    Notation(projection[b], "inner product inside block b of such a vector with the probe", ""),
    Notation(x_variance[b], "variance per direction of block b of a random probe about its class's center", ""),
    Notation(reference_K, "K of the class of reference at tilt 1", ""),
    Notation(reference_K_2, "the same at tilt 2", ""),
    Notation(reference_weight, "share of the class of reference", ""),
    Notation(mixture_excess, "K of the mixture less that of the class of reference", ""),
    Notation(mixture_log_size, "size at which the critical tilt of a mixture is lambda", "`critical_time`"),
    Notation(mixture_log_size_kept, "size above which a direction of a mixture generalizes", "`critical_time`"),
    Notation(mixture_mean, "posterior mean of y along v", ""),
    Notation(tilt_variance, "variance of y along v under the law tilted by 2", ""),
    Notation(excess_mean, "mean of the excess of class i over random probes of the class of reference", ""),
    Notation(excess_covariance, "covariance of two classes' excesses over random probes", ""),
    Notation(same_class, "probability that two clones end in the same class", "`cloning_curve`"),
    Notation(largest_eigenvalue, "largest eigenvalue of the data's covariance", ""),
    Notation(class_offset[i], "offset of class i's center from their mean, along where centers spread most", ""),
    Notation(t_speciation, "noise variance of speciation", "`trajectory_times`"),
    Notation(tau, "time of a noise schedule, on its own clock", "`time`"),
    Notation(omega, "standard normal noise along v", ""),
    Notation(scale, "what a schedule multiplies the data by", ""),
    Notation(noise_level, "what it multiplies the noise by", ""),
    Notation(sigma, "noise level sqrt(t), the clock of EDM", "`VarianceExploding`"),
    Notation(alphabar, "squared scale of a variance-preserving schedule", "`Discrete.alphabar`"),
    Notation(cosine_offset, "offset at the start of the cosine schedule", ""),
    Notation(score_ratio, "score of a schedule at x over the variance-exploding one at x/a", "`score_factor`"),
    Notation(jacobian_ratio, "the same of their Jacobians", "`jacobian_factor`"),
    Notation(log_density(x_v), "log-density of the noised data", ""),
)


def notation_table() -> str:
    """The notation as a Markdown table, one line per symbol."""
    rows = [f"| ${line.latex}$ | {line.meaning} | {line.code} |" for line in NOTATION]
    return "\n".join(["| symbol | meaning | in code |", "|---|---|---|", *rows])
