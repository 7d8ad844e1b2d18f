// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/hadamard/hadamard.hpp"

#include <array>
#include <utility>

#include "kernels/stages/transform/hadamard/hadamard_device.hpp"
#include "kernels/stages/transform/hadamard/rotation.hpp"

namespace sluice::kernels {
namespace {

constexpr std::array kParameters = {
    ParameterRow{"signs", ParameterKind::kBool, 0, 0, 1, "",
                 "multiply channels by random signs first"},
    ParameterRow{"seed", ParameterKind::kInteger, 0, 0, 0x1p24F, "", "of the signs"},
};

class HadamardPlan final : public TransformPlan {
 public:
  explicit HadamardPlan(Rotation rotation) : rotation_(std::move(rotation)) {}
  std::int64_t columns() const override { return rotation_.columns(); }
  void forward(std::int64_t /*row_first*/, ConstMatrix rows, Matrix transformed) override {
    rotation_.forward(rows, transformed);
  }
  Status forward_on(DeviceQueue& queue, ConstMatrix rows, Matrix transformed) override {
    return rotation_.forward_on(queue, rows, transformed);
  }

 private:
  Rotation rotation_;
};

class HadamardInverse final : public InversePlan {
 public:
  explicit HadamardInverse(Rotation rotation) : rotation_(std::move(rotation)) {}
  std::int64_t columns() const override { return rotation_.columns(); }
  void inverse(std::int64_t /*row_first*/, ConstMatrix transformed, Matrix rows) override {
    rotation_.inverse(transformed, rows);
  }
  Status inverse_on(DeviceQueue& queue, ConstMatrix transformed, Matrix rows) override {
    return rotation_.inverse_on(queue, transformed, rows);
  }

 private:
  Rotation rotation_;
};

class HadamardStage final : public TransformStage {
 public:
  explicit HadamardStage(const Parameters& parameters)
      : has_signs_(parameters.flag("signs")),
        seed_(static_cast<std::uint64_t>(parameters.integer("seed"))) {}

  Result<std::unique_ptr<TransformPlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                      ConstMatrix /*all*/,
                                                      ByteWriter& /*side*/) const override {
    return std::unique_ptr<TransformPlan>(std::make_unique<HadamardPlan>(of(plane, columns)));
  }
  Result<std::unique_ptr<InversePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                    ByteReader& /*side*/) const override {
    return std::unique_ptr<InversePlan>(std::make_unique<HadamardInverse>(of(plane, columns)));
  }

 private:
  Rotation of(const Plane& plane, std::int64_t columns) const {
    return Rotation(columns, plane.shape->head_dim, has_signs_, seed_);
  }

  bool has_signs_;
  std::uint64_t seed_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<HadamardStage>(parameters));
}

}  // namespace

StageRow hadamard_row() {
  return {.id = 101,
          .name = "hadamard",
          .role = StageRole::kTransform,
          .version = 1,
          .parameters = kParameters,
          .summary = "Walsh-Hadamard rotation of each head's channels (QuaRot, 2404.00456)",
          .create = create,
          .runs_on_cuda = true};
}

}  // namespace sluice::kernels
