// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/palu/palu_calibration.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "kernels/stages/transform/linear_algebra/eigen.hpp"
#include "kernels/stages/transform/linear_algebra/moments.hpp"

namespace sluice::kernels {
namespace {

// A group's directions, and what each holds of the energy beside the strongest one.
struct Spectrum {
  std::int64_t columns = 0;
  std::int64_t rank = 1;  // every group keeps its strongest direction
  std::vector<double> shares;
  std::vector<double> vectors;  // [columns][columns]
};

class PaluCalibration final : public Calibration {
 public:
  explicit PaluCalibration(const PaluSettings& settings) : settings_(settings) {}

  Status observe(const Plane& plane, ConstMatrix rows) override {
    if (rows.columns != plane.columns() || plane.head_first != 0 ||
        plane.head_count != plane.shape->kv_heads) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'palu' is calibrated on all heads, before their columns change");
    }
    const std::int64_t layer_columns = plane.head_count * plane.shape->head_dim;
    const std::int64_t group_columns = settings_.heads * plane.shape->head_dim;
    for (std::int64_t i = 0; i < plane.layer_count; ++i) {
      auto& groups = planes_[{palu_tensor_name("ranks", plane, plane.layer_first + i),
                              palu_tensor_name("basis", plane, plane.layer_first + i)}];
      std::size_t group = 0;
      for (std::int64_t first = 0; first < layer_columns; first += group_columns, ++group) {
        const std::int64_t width = std::min(group_columns, layer_columns - first);
        if (groups.size() <= group) groups.emplace_back(width);
        groups[group].add({rows.data + i * layer_columns + first, rows.rows, width, rows.stride});
      }
    }
    return {};
  }

  Status finish(Profile& profile) override {
    std::vector<std::vector<Spectrum>> spectra;
    for (const auto& [names, groups] : planes_) {
      spectra.emplace_back();
      for (const Moments& moments : groups) spectra.back().push_back(spectrum(moments));
    }
    share_ranks(spectra);
    std::size_t at = 0;
    for (const auto& [names, groups] : planes_) put(profile, names, spectra[at++]);
    return {};
  }

 private:
  struct Names {
    std::string ranks;
    std::string basis;
    auto operator<=>(const Names&) const = default;
  };

  static Spectrum spectrum(const Moments& moments) {
    Spectrum result;
    result.columns = moments.columns();
    Eigen eigen = symmetric_eigen(moments.second(false), result.columns);
    // The strongest direction is always kept, and holds most of a K whose channels have means:
    // shares are of what the others hold.
    double energy = 0;
    for (std::size_t i = 1; i < eigen.values.size(); ++i) energy += std::max(eigen.values[i], 0.0);
    for (const double value : eigen.values) {
      result.shares.push_back(energy > 0 ? std::max(value, 0.0) / energy : 0.0);
    }
    result.vectors = std::move(eigen.vectors);
    return result;
  }

  // The paper gives layers ranks by the Fisher information of their weights. Here a direction's
  // worth is its share of its group's energy beside the strongest, and the best of all are kept.
  void share_ranks(std::vector<std::vector<Spectrum>>& spectra) const {
    struct Direction {
      double share;
      Spectrum* of;
    };
    std::vector<Direction> directions;
    std::int64_t columns = 0;
    std::int64_t kept = 0;
    for (auto& plane : spectra) {
      for (Spectrum& group : plane) {
        columns += group.columns;
        kept += group.rank;
        for (std::size_t i = 1; i < group.shares.size(); ++i) {
          directions.push_back({group.shares[i], &group});
        }
      }
    }
    // Within a group shares fall, so its directions are taken in order.
    std::stable_sort(directions.begin(), directions.end(),
                     [](const Direction& a, const Direction& b) { return a.share > b.share; });
    const auto wanted =
        static_cast<std::int64_t>(std::rint(settings_.share * static_cast<double>(columns)));
    for (const Direction& direction : directions) {
      if (kept >= wanted) break;
      ++direction.of->rank;
      ++kept;
    }
  }

  static void put(Profile& profile, const Names& names, const std::vector<Spectrum>& groups) {
    std::vector<std::int32_t> ranks;
    std::vector<float> basis;
    for (const Spectrum& group : groups) {
      ranks.push_back(static_cast<std::int32_t>(group.rank));
      const auto count = static_cast<std::ptrdiff_t>(group.rank * group.columns);
      for (std::ptrdiff_t i = 0; i < count; ++i) {
        basis.push_back(static_cast<float>(group.vectors[static_cast<std::size_t>(i)]));
      }
    }
    profile.put(names.ranks, DType::kI32, {static_cast<std::int64_t>(ranks.size())},
                std::as_bytes(std::span(ranks)));
    profile.put(names.basis, DType::kF32, {static_cast<std::int64_t>(basis.size())},
                std::as_bytes(std::span(basis)));
  }

  PaluSettings settings_;
  std::map<Names, std::vector<Moments>> planes_;
};

}  // namespace

std::string palu_tensor_name(const char* what, const Plane& plane, std::int64_t layer) {
  return profile_name("palu." + std::string(plane.tables) + "." + what, plane.is_key(), layer);
}

std::unique_ptr<Calibration> calibrate_palu(const PaluSettings& settings) {
  return std::make_unique<PaluCalibration>(settings);
}

}  // namespace sluice::kernels
