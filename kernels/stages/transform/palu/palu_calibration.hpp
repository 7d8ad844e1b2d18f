// SPDX-License-Identifier: Apache-2.0
// Learning Palu's decompositions from caches instead of weights.
//
// Palu decomposes a group's projection weights W, whitened by the Cholesky factor S of the
// activations, X'X = S'S: it truncates the SVD of S W = U D V', so the cache holds the latent
// x S^-1 U_r D_r and x W becomes that times V_r'. Now (S W)'(S W) = W'X'X W = (X W)'(X W), and X W
// is nothing but the cache of the calibration text before RoPE. So V_r are the leading eigenvectors
// of the caches' second moments, not centred, and since U_r D_r = S W V_r, the latent is
// x S^-1 S W V_r = (x W) V_r: the cache projected on them. Weights are not needed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

struct PaluSettings {
  double share = 0;        // of all columns that stay, over layers and halves
  std::int64_t heads = 0;  // in a group; the last one may have fewer
};

// "palu.<plane.tables>.<what>.k.<layer>": "ranks", I32 [groups]; "basis", FP32: group after group,
// [rank][columns of the group].
std::string palu_tensor_name(const char* what, const Plane& plane, std::int64_t layer);

std::unique_ptr<Calibration> calibrate_palu(const PaluSettings& settings);

}  // namespace sluice::kernels
