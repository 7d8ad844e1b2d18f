// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/prefix/prefix.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "kernels/stages/transform/prefix/known_rows.hpp"

namespace sluice::kernels {
namespace {

constexpr std::array kParameters = {
    ParameterRow{"tokens", ParameterKind::kInteger, 64, 1, 4096, "",
                 "first tokens that are compared at calibration, at most"},
};

std::string rows_name(const Plane& plane) {
  return profile_name("prefix." + std::string(plane.tables) + ".rows", plane.is_key(),
                      plane.layer_first);
}

Status check_plane(const Plane& plane, std::int64_t columns) {
  if (plane.layer_count == 1 && plane.head_first == 0 &&
      plane.head_count == plane.shape->kv_heads && columns > 0) {
    return {};
  }
  return make_error(ErrorCode::kInvalidArgument,
                    "stage 'prefix' works on whole layers: selection must be alike for all heads");
}

// The profile's rows, and whether this plane's begin like them.
struct Known {
  const float* rows = nullptr;  // [count][columns]
  std::int64_t count = 0;
  std::int64_t columns = 0;

  // Of the row at `position`, or null.
  const float* at(std::int32_t position) const {
    return position < count ? rows + position * columns : nullptr;
  }
};

Result<Known> known_rows(const Plane& plane, std::int64_t columns) {
  SLUICE_TRY(check_plane(plane, columns));
  if (plane.profile == nullptr) {
    return make_error(ErrorCode::kNotFound,
                      "stage 'prefix' needs a profile: make one with 'sluice codec calibrate'");
  }
  const TensorView view = SLUICE_TRY(plane.profile->require(rows_name(plane), DType::kF32, -1));
  if (view.rank != 2 || view.shape[1] != columns) {
    return make_error(ErrorCode::kCorrupt,
                      "the profile's '" + rows_name(plane) + "' has another width");
  }
  return Known{view.as<float>(), view.shape[0], columns};
}

class Forward final : public TransformPlan {
 public:
  Forward(const Plane& plane, const Known& known) : plane_(plane), known_(known) {}
  std::int64_t columns() const override { return known_.columns; }
  void forward(std::int64_t row_first, ConstMatrix rows, Matrix transformed) override {
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const float* from = rows.row(row);
      float* to = transformed.row(row);
      const float* known = known_.at(plane_.positions[static_cast<std::size_t>(row_first + row)]);
      if (known == nullptr) {
        std::copy_n(from, known_.columns, to);
        continue;
      }
      // Nothing, rather than what the order of sums left: the same rows are the same.
      const bool is_same = squared_distance(from, known, known_.columns) <=
                           kSameShare * squared_distance(known, nullptr, known_.columns);
      for (std::int64_t i = 0; i < known_.columns; ++i) {
        to[i] = is_same ? 0.0F : from[i] - known[i];
      }
    }
  }

 private:
  Plane plane_;
  Known known_;
};

class Inverse final : public InversePlan {
 public:
  Inverse(const Plane& plane, const Known& known) : plane_(plane), known_(known) {}
  std::int64_t columns() const override { return known_.columns; }
  void inverse(std::int64_t row_first, ConstMatrix transformed, Matrix rows) override {
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const float* from = transformed.row(row);
      float* to = rows.row(row);
      const float* known = known_.at(plane_.positions[static_cast<std::size_t>(row_first + row)]);
      for (std::int64_t i = 0; i < known_.columns; ++i) {
        to[i] = known == nullptr ? from[i] : from[i] + known[i];
      }
    }
  }

 private:
  Plane plane_;
  Known known_;
};

class PrefixCalibration final : public Calibration {
 public:
  explicit PrefixCalibration(std::int64_t tokens) : learner_(tokens) {}

  Status observe(const Plane& plane, ConstMatrix rows) override {
    SLUICE_TRY(check_plane(plane, rows.columns));
    learner_.observe(rows_name(plane), plane.positions, rows);
    return {};
  }
  Status finish(Profile& profile) override {
    learner_.finish(learner_.common(), profile);
    return {};
  }

 private:
  KnownRowsLearner learner_;
};

class Prefix final : public TransformStage {
 public:
  explicit Prefix(const Parameters& parameters) : tokens_(parameters.integer("tokens")) {}

  bool needs_all_heads() const override { return true; }
  std::unique_ptr<Calibration> calibration() const override {
    return std::make_unique<PrefixCalibration>(tokens_);
  }
  // A prompt of another template would only get worse: the first row tells.
  bool needs_all_rows() const override { return true; }

  Result<std::unique_ptr<TransformPlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                      ConstMatrix all,
                                                      ByteWriter& side) const override {
    Known known = SLUICE_TRY(known_rows(plane, columns));
    float with = 0.0F;
    float without = 0.0F;
    for (std::int64_t row = 0; row < all.rows; ++row) {
      const float* at = known.at(plane.positions[static_cast<std::size_t>(row)]);
      if (at == nullptr) break;
      with += squared_distance(all.row(row), at, columns);
      without += squared_distance(all.row(row), nullptr, columns);
    }
    const bool is_used = with < without;
    side.put(static_cast<std::uint8_t>(is_used ? 1 : 0));
    if (!is_used) known.count = 0;
    return std::unique_ptr<TransformPlan>(std::make_unique<Forward>(plane, known));
  }

  Result<std::unique_ptr<InversePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                    ByteReader& side) const override {
    Known known = SLUICE_TRY(known_rows(plane, columns));
    if (SLUICE_TRY(side.get<std::uint8_t>()) == 0) known.count = 0;
    return std::unique_ptr<InversePlan>(std::make_unique<Inverse>(plane, known));
  }

 private:
  std::int64_t tokens_;
};

}  // namespace

StageRow prefix_row() {
  return {.id = 115,
          .name = "prefix",
          .role = StageRole::kTransform,
          .version = 1,
          .parameters = kParameters,
          .summary = "what a chat template makes the same in every prompt, known to both sides",
          .create = [](const Parameters& parameters) -> Result<std::unique_ptr<Stage>> {
            return std::unique_ptr<Stage>(std::make_unique<Prefix>(parameters));
          }};
}

}  // namespace sluice::kernels
