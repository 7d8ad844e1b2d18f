// SPDX-License-Identifier: Apache-2.0
// Learning the components: mean, covariance, and the basis in which errors cost least.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

struct KltSettings {
  bool is_by_head = false;
  bool is_weighted = false;
  double share = 1;                 // of the columns, kept as components
  double regularize = 0;            // of the weight's mean diagonal, added to its diagonal
  std::int64_t skipped_tokens = 0;  // positions below are not learnt from

  std::int64_t rank(std::int64_t columns) const;
};

// "klt.<plane.tables>.<what>.k.<layer>".
std::string klt_tensor_name(const char* what, const Plane& plane, std::int64_t layer);

// Of one block. Component i of a row x is forward_i . (x - mean); x is mean plus the sum of
// components times inverse_i.
struct KltBasis {
  std::vector<double> forward;    // [n][n], largest variance first
  std::vector<double> inverse;    // [n][n]
  std::vector<double> variances;  // [n]
};

// `covariance` and `weight` (may be empty: the identity): [n][n]. With a weight M = L L', an error
// e costs e'M e = |L'e|^2, so the components are those of L'x: basis U of L'C L, forward U'L',
// inverse U'L^-1 by rows. An orthonormal basis without one. kInvalidArgument: the weight is not
// positive definite.
Result<KltBasis> klt_basis(const std::vector<double>& covariance, std::vector<double> weight,
                           std::int64_t n);

// Rows and columns [first, first + size) of the profile's weight `name`, FP32 [width][width], with
// `regularize` of the part's mean diagonal added to its diagonal.
struct WeightPart {
  std::int64_t first = 0;
  std::int64_t size = 0;
  std::int64_t width = 0;
};
Result<std::vector<double>> weight_part(const Profile& profile, const std::string& name,
                                        WeightPart part, double regularize);

std::unique_ptr<Calibration> calibrate_klt(const KltSettings& settings);

}  // namespace sluice::kernels
