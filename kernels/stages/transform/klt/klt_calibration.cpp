// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/klt/klt_calibration.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <utility>

#include "kernels/stages/transform/linear_algebra/cholesky.hpp"
#include "kernels/stages/transform/linear_algebra/eigen.hpp"
#include "kernels/stages/transform/linear_algebra/moments.hpp"
#include "kernels/stages/transform/linear_algebra/multiply.hpp"

namespace sluice::kernels {
namespace {

Matrix64 square(std::vector<double>& values, std::int64_t n) { return {values.data(), n, n, n}; }

std::vector<float> narrow(const std::vector<double>& values, std::int64_t count) {
  std::vector<float> result(static_cast<std::size_t>(count));
  std::transform(values.begin(), values.begin() + count, result.begin(),
                 [](double value) { return static_cast<float>(value); });
  return result;
}

// What a layer's K or V has gathered, block by block, and the names it goes under.
struct Gathered {
  std::string weight;
  std::string mean;
  std::string basis;
  std::string dual;
  std::string variance;
  std::vector<Moments> blocks;
};

class KltCalibration final : public Calibration {
 public:
  explicit KltCalibration(const KltSettings& settings) : settings_(settings) {}

  Status observe(const Plane& plane, ConstMatrix rows) override {
    if (rows.columns != plane.columns() || plane.head_first != 0 ||
        plane.head_count != plane.shape->kv_heads) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'klt' is calibrated on all heads, before their columns change");
    }
    const auto skipped =
        std::lower_bound(plane.positions.begin(), plane.positions.end(), settings_.skipped_tokens) -
        plane.positions.begin();
    const std::int64_t first = std::min<std::int64_t>(skipped, rows.rows);
    const std::int64_t head_dim = plane.shape->head_dim;
    const std::int64_t layer_columns = plane.head_count * head_dim;
    const std::int64_t width = settings_.is_by_head ? head_dim : layer_columns;
    for (std::int64_t i = 0; i < plane.layer_count; ++i) {
      Gathered& gathered = of(plane, plane.layer_first + i);
      for (std::int64_t column = 0; column < layer_columns; column += width) {
        const auto block = static_cast<std::size_t>(column / width);
        if (gathered.blocks.size() <= block) gathered.blocks.emplace_back(width);
        gathered.blocks[block].add(
            {rows.row(first) + i * layer_columns + column, rows.rows - first, width, rows.stride});
      }
    }
    return {};
  }

  Status finish(Profile& profile) override {
    for (const auto& [name, gathered] : layers_) SLUICE_TRY(finish_layer(gathered, profile));
    return {};
  }

 private:
  Gathered& of(const Plane& plane, std::int64_t layer) {
    const std::string mean = klt_tensor_name("mean", plane, layer);
    auto found = layers_.find(mean);
    if (found == layers_.end()) {
      Gathered gathered{
          profile_name("fisher", plane.is_key(), layer), mean,
          klt_tensor_name("basis", plane, layer),        klt_tensor_name("dual", plane, layer),
          klt_tensor_name("variance", plane, layer),     {}};
      found = layers_.emplace(mean, std::move(gathered)).first;
    }
    return found->second;
  }

  // The block's part of the layer's weight; empty if none is asked for.
  Result<std::vector<double>> weight_of(const Gathered& gathered, std::int64_t block,
                                        const Profile& profile) const {
    if (!settings_.is_weighted) return std::vector<double>();
    const std::int64_t n = gathered.blocks.front().columns();
    const std::int64_t width = n * static_cast<std::int64_t>(gathered.blocks.size());
    return weight_part(profile, gathered.weight, {block * n, n, width}, settings_.regularize);
  }

  Status finish_layer(const Gathered& gathered, Profile& profile) const {
    std::vector<float> mean;
    std::vector<float> basis;
    std::vector<float> dual;
    std::vector<float> variance;
    const auto append = [](std::vector<float>& to, const std::vector<float>& values) {
      to.insert(to.end(), values.begin(), values.end());
    };
    const std::int64_t n = gathered.blocks.front().columns();
    const std::int64_t rank = settings_.rank(n);
    for (std::size_t i = 0; i < gathered.blocks.size(); ++i) {
      const Moments& moments = gathered.blocks[i];
      auto weight = SLUICE_TRY(weight_of(gathered, static_cast<std::int64_t>(i), profile));
      const KltBasis found = SLUICE_TRY(klt_basis(moments.second(true), std::move(weight), n));
      append(mean, narrow(moments.mean(), n));
      append(basis, narrow(found.forward, rank * n));
      append(dual, narrow(found.inverse, rank * n));
      append(variance, narrow(found.variances, rank));
    }
    const auto blocks = static_cast<std::int64_t>(gathered.blocks.size());
    const auto put = [&](const std::string& name, std::vector<std::int64_t> shape,
                         const std::vector<float>& values) {
      profile.put(name, DType::kF32, std::move(shape), std::as_bytes(std::span(values)));
    };
    put(gathered.mean, {blocks, n}, mean);
    put(gathered.basis, {blocks, rank, n}, basis);
    if (settings_.is_weighted) put(gathered.dual, {blocks, rank, n}, dual);
    put(gathered.variance, {blocks, rank}, variance);
    return {};
  }

  KltSettings settings_;
  std::map<std::string, Gathered> layers_;
};

}  // namespace

std::int64_t KltSettings::rank(std::int64_t columns) const {
  const auto wanted = static_cast<std::int64_t>(std::rint(share * static_cast<double>(columns)));
  return std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(columns, 1));
}

std::string klt_tensor_name(const char* what, const Plane& plane, std::int64_t layer) {
  return profile_name("klt." + std::string(plane.tables) + "." + what, plane.is_key(), layer);
}

Result<std::vector<double>> weight_part(const Profile& profile, const std::string& name,
                                        WeightPart part, double regularize) {
  const std::int64_t n = part.size;
  const TensorView view = SLUICE_TRY(profile.require(name, DType::kF32, part.width * part.width));
  std::vector<double> weight;
  weight.reserve(static_cast<std::size_t>(n * n));
  double diagonal = 0;
  for (std::int64_t r = 0; r < n; ++r) {
    const float* row = view.as<float>() + (part.first + r) * part.width + part.first;
    weight.insert(weight.end(), row, row + n);
    diagonal += row[r];
  }
  const double added = regularize * diagonal / static_cast<double>(n);
  for (std::int64_t r = 0; r < n; ++r) weight[static_cast<std::size_t>(r * n + r)] += added;
  return weight;
}

Result<KltBasis> klt_basis(const std::vector<double>& covariance, std::vector<double> weight,
                           std::int64_t n) {
  KltBasis result;
  if (weight.empty()) {
    Eigen eigen = symmetric_eigen(covariance, n);
    result.forward = eigen.vectors;
    result.inverse = std::move(eigen.vectors);
    result.variances = std::move(eigen.values);
  } else {
    if (!cholesky(weight, n)) {
      return make_error(ErrorCode::kInvalidArgument,
                        "a weight of the 'klt' stage is not positive definite: raise 'regularize'");
    }
    std::vector<double> turned(weight.size());  // L'
    for (std::int64_t r = 0; r < n; ++r) {
      for (std::int64_t c = 0; c < n; ++c) {
        turned[static_cast<std::size_t>(c * n + r)] = weight[static_cast<std::size_t>(r * n + c)];
      }
    }
    std::vector<double> half(weight.size());
    std::vector<double> weighted(weight.size());
    std::vector<double> plain = covariance;
    multiply(square(turned, n), square(plain, n), square(half, n));
    multiply(square(half, n), square(weight, n), square(weighted, n));
    Eigen eigen = symmetric_eigen(std::move(weighted), n);
    result.forward.resize(weight.size());
    multiply(square(eigen.vectors, n), square(turned, n), square(result.forward, n));
    divide_rows(eigen.vectors, weight, n);
    result.inverse = std::move(eigen.vectors);
    result.variances = std::move(eigen.values);
  }
  for (double& value : result.variances) value = std::max(value, 0.0);
  return result;
}

std::unique_ptr<Calibration> calibrate_klt(const KltSettings& settings) {
  return std::make_unique<KltCalibration>(settings);
}

}  // namespace sluice::kernels
