// SPDX-License-Identifier: Apache-2.0
// A pipeline's stages, made from a specification or from a frame, in a checked order.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

const char* stage_role_name(StageRole role);

inline constexpr KvHalf kKvHalves[] = {KvHalf::kKey, KvHalf::kValue};
inline constexpr KvHalf kKvJoint[] = {KvHalf::kBoth};

struct StageList {
  // kInvalidArgument names the stage or the wrong pair of neighbours.
  static Result<StageList> from_spec(const PipelineSpec& spec);
  // The records of a frame: kUnsupported for a stage or version that is not here.
  static Result<StageList> read(ByteReader& records);
  // What a decoder needs: all but the select stages, whose result is the level sets.
  void write(ByteWriter& records) const;

  // Anything between the rows and the frame but BF16's rounding.
  bool is_lossy() const { return quantize != nullptr || !transforms.empty(); }
  // The planes that a segment is coded as, if it is not sent as it is.
  std::span<const KvHalf> coded_halves() const {
    return quantize != nullptr && quantize->joins_halves() ? std::span<const KvHalf>(kKvJoint)
                                                           : std::span<const KvHalf>(kKvHalves);
  }
  // Rows must be there before the first tile is coded.
  bool needs_all_rows() const;
  // What the decoder does depends on the profile. A stage that reads it has a calibration().
  bool uses_profile() const;

  struct Entry {
    const StageRow* row;
    Parameters parameters;
    std::unique_ptr<Stage> stage;
  };
  std::vector<Entry> entries;
  std::vector<const SelectStage*> selects;
  std::vector<const TransformStage*> transforms;
  const QuantizeStage* quantize = nullptr;
  const CorrectStage* correct = nullptr;
  const EntropyStage* entropy = nullptr;

 private:
  Status append(const StageRow& row, Parameters parameters);
  Status check_neighbours() const;
};

}  // namespace sluice::kernels
