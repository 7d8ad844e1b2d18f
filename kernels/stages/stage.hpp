// SPDX-License-Identifier: Apache-2.0
// The small interfaces of a pipeline's stages: select, transform, quantize, correct, entropy.
//
// A stage is its parameters, immutable and shared by threads. begin_encode and begin_decode give a
// plan for one plane, used by one thread. Plans see tiles of consecutive rows, in order; a stage
// that must see all rows at once says so. A decoder's bytes are hostile: begin_decode and decode
// check every size, and allocate no more than rows * columns elements plus what `side` holds.
//
// Results are bit-identical on every CPU: +, -, *, /, sqrt and rounding in a fixed order, no
// contraction (-ffp-contract=off), none of libm's other functions on the way to a frame. That holds
// for the same inputs, and LayerScores are inputs: they come from the engine's own floating point,
// which may differ from CPU to CPU, and with them which tokens a select stage chooses.
//
// A stage whose row says runs_on_cuda works in a device's memory too, by the plans' *_on(): the
// same results for all rows of the plane at once, with every pointer of the queue's memory, queued.
// Such a stage needs no rows when a plan begins. A select stage runs on CUDA if it never looks at
// K and V.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/device_queue.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/matrix.hpp"
#include "kernels/stages/parameters.hpp"
#include "kernels/stages/plane.hpp"
#include "kernels/stages/select/scores.hpp"

namespace sluice::kernels {

inline Error no_device_code() {
  return make_error(ErrorCode::kInternal, "a stage without code for a device was run on one");
}

enum class StageRole : std::uint8_t { kSelect, kTransform, kQuantize, kCorrect, kEntropy };

// Learns from calibration caches what a stage keeps in the profile.
class Calibration {
 public:
  virtual ~Calibration() = default;
  // All rows of a plane, as the stages before this one leave them.
  virtual Status observe(const Plane& plane, ConstMatrix rows) = 0;
  virtual Status finish(Profile& profile) = 0;
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual StageRole role() const = 0;
  // Null: nothing to calibrate.
  virtual std::unique_ptr<Calibration> calibration() const { return nullptr; }
  // Layers that share one frame (xKV's groups); the pipeline takes the largest of its stages'.
  virtual std::int64_t layers_per_frame() const { return 1; }
  // True: it learns, chooses or codes for all KV heads of a layer together, and cannot for a part
  // of them as it does for all.
  virtual bool needs_all_heads() const { return false; }
  // It works on a joint plane as well. Of transforms and corrections; others are never asked.
  virtual bool takes_joint_planes() const { return false; }
};

// ---- Select: which tokens are sent, and at which level. ----------------------------------------

// Levels of one layer's tokens. One set for all heads, or one for each KV head.
struct TokenLevels {
  std::int64_t tokens = 0;
  std::int64_t heads = 1;           // 1: one set for all
  std::vector<std::uint8_t> level;  // [heads][tokens]
  std::vector<float> importance;    // [heads][tokens], or empty; larger is more important
};

struct SelectInput {
  const CacheShape* shape = nullptr;
  const Profile* profile = nullptr;  // may be null
  std::int64_t layer = 0;
  std::int64_t tokens = 0;
  KvPages pages;                        // of the layer: positions [0, tokens)
  const LayerScores* scores = nullptr;  // what score_needs() asked for
  const LayerScores* shared = nullptr;  // what this stage's plan_layers() filled, or null
  std::uint64_t seed = 0;               // of the request: what is random repeats
};

// Select stages act on it one after another.
struct SelectState {
  TokenLevels levels;         // starts as level 1 for every token, one set
  float budget_scale = 1.0F;  // budget stages: on the budget of the selector after them
  bool shares_heads = false;  // AdaKV: one budget for all heads of a layer
  float head_floor = 0.0F;    // AdaKV: the share of its even budget that a head keeps
};

class SelectStage : public Stage {
 public:
  StageRole role() const final { return StageRole::kSelect; }
  virtual ScoreNeeds score_needs() const { return {}; }
  // True: plan_layers must see every layer's scores before the first select.
  virtual bool needs_all_layers() const { return false; }
  // `scores`: by layer. `budget_scales`: by layer, to be multiplied. `shared`: for a selection that
  // is one set for all layers; the stage may fill it, and every layer's select sees it.
  virtual Status plan_layers(const SelectInput& request, std::span<const LayerScores> scores,
                             std::span<float> budget_scales, LayerScores& shared) const {
    (void)request, (void)scores, (void)budget_scales, (void)shared;
    return {};
  }
  virtual Status select(const SelectInput& input, SelectState& state) const = 0;
};

// ---- Transform: floats to floats, perhaps fewer columns. ---------------------------------------

class TransformPlan {
 public:
  virtual ~TransformPlan() = default;
  virtual std::int64_t columns() const = 0;  // of the transformed rows
  // `row_first`: the tile's first row within the plane.
  virtual void forward(std::int64_t row_first, ConstMatrix rows, Matrix transformed) = 0;
  virtual Status forward_on(DeviceQueue& queue, ConstMatrix rows, Matrix transformed) {
    (void)queue, (void)rows, (void)transformed;
    return no_device_code();
  }
};

class InversePlan {
 public:
  virtual ~InversePlan() = default;
  virtual std::int64_t columns() const = 0;  // of the transformed rows
  virtual void inverse(std::int64_t row_first, ConstMatrix transformed, Matrix rows) = 0;
  virtual Status inverse_on(DeviceQueue& queue, ConstMatrix transformed, Matrix rows) {
    (void)queue, (void)transformed, (void)rows;
    return no_device_code();
  }
};

class TransformStage : public Stage {
 public:
  StageRole role() const final { return StageRole::kTransform; }
  virtual bool needs_all_rows() const { return false; }
  // `columns`: of its input. `all`: every row if needs_all_rows(), else without data. What the
  // decoder needs beyond the profile goes to `side`.
  virtual Result<std::unique_ptr<TransformPlan>> begin_encode(const Plane& plane,
                                                              std::int64_t columns, ConstMatrix all,
                                                              ByteWriter& side) const = 0;
  virtual Result<std::unique_ptr<InversePlan>> begin_decode(const Plane& plane,
                                                            std::int64_t columns,
                                                            ByteReader& side) const = 0;
};

// ---- Quantize: floats to symbols of at most 8 bits. --------------------------------------------

// How a plane's symbols look. A row of symbols stands for `rows_together` rows of the plane, one
// after another (anchors and their deltas): vectors are of size rows_together * columns, there are
// symbol_rows(rows) rows of symbols, and what lies past the plane's last row is 0. A quantizer's
// row_multiple() is a multiple of it.
struct SymbolShape {
  std::vector<std::uint8_t> bits;      // symbols are below 2^bits; 0: the column sends nothing
  std::vector<std::uint16_t> context;  // columns of one context share a distribution
  std::int64_t rows_together = 1;
  // Empty: static frequencies are learnt by plane and column. Else the profile's tensor, I32
  // [contexts][symbols], that has them by context, for every plane and every step.
  std::string family = {};

  std::int64_t symbol_rows(std::int64_t rows) const {
    return (rows + rows_together - 1) / rows_together;
  }
};

class QuantizePlan {
 public:
  virtual ~QuantizePlan() = default;
  virtual const SymbolShape& symbols() const = 0;
  // Bytes that `rows` rows can add to the side stream at most (scales, zeros, outliers).
  virtual std::size_t side_bytes_max(std::int64_t rows) const = 0;
  // `symbols`: [symbol_rows(rows)][symbols().bits.size()]. Returns the bytes written to `side`.
  virtual std::size_t encode(std::int64_t row_first, ConstMatrix rows, std::uint8_t* symbols,
                             std::byte* side) = 0;
  virtual Result<std::size_t> encode_on(DeviceQueue& queue, ConstMatrix rows, std::uint8_t* symbols,
                                        std::byte* side) {
    (void)queue, (void)rows, (void)symbols, (void)side;
    return no_device_code();
  }
};

class DequantizePlan {
 public:
  virtual ~DequantizePlan() = default;
  virtual const SymbolShape& symbols() const = 0;
  // Returns the bytes read from the front of `side`. Symbols are checked against 2^bits by who
  // unpacks them.
  virtual Result<std::size_t> decode(std::int64_t row_first, const std::uint8_t* symbols,
                                     Bytes side, Matrix rows) = 0;
  virtual Result<std::size_t> decode_on(DeviceQueue& queue, const std::uint8_t* symbols, Bytes side,
                                        Matrix rows) {
    (void)queue, (void)symbols, (void)side, (void)rows;
    return no_device_code();
  }
};

class QuantizeStage : public Stage {
 public:
  StageRole role() const final { return StageRole::kQuantize; }
  virtual bool needs_all_rows() const { return false; }
  // True: it codes a segment's K and V together, as one joint plane.
  virtual bool joins_halves() const { return false; }
  // A tile has a multiple of this many rows, but for the last one (groups along tokens).
  virtual std::int64_t row_multiple() const { return 1; }
  virtual Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane,
                                                             std::int64_t columns, ConstMatrix all,
                                                             ByteWriter& side) const = 0;
  virtual Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane,
                                                               std::int64_t columns,
                                                               ByteReader& side) const = 0;
};

// ---- Correct: what the quantizer lost, approximated (GEAR). ------------------------------------

class CorrectStage : public Stage {
 public:
  StageRole role() const final { return StageRole::kCorrect; }
  virtual Status encode(const Plane& plane, ConstMatrix original, ConstMatrix reconstructed,
                        ByteWriter& side) const = 0;
  // Adds the correction to `rows`.
  virtual Status decode(const Plane& plane, ByteReader& side, Matrix rows) const = 0;
};

// ---- Entropy: symbols to bytes. ----------------------------------------------------------------

class EntropyStage : public Stage {
 public:
  StageRole role() const final { return StageRole::kEntropy; }
  // `symbols`: [rows][shape.bits.size()], each below 2^bits of its column; `rows` counts rows of
  // symbols. Appends to `out`; never more than packed bits would take, plus 16 bytes (raw bypass).
  virtual Status encode(const Plane& plane, const SymbolShape& shape, std::int64_t rows,
                        const std::uint8_t* symbols, ByteWriter& out) const = 0;
  // `in` is exactly what encode appended. Every symbol is below 2^bits of its column on success.
  virtual Status decode(const Plane& plane, const SymbolShape& shape, std::int64_t rows, Bytes in,
                        std::uint8_t* symbols) const = 0;
  // `symbols` are of the queue's memory; coded bytes are the host's. Encoding waits for the queue.
  virtual Status encode_on(DeviceQueue& queue, const Plane& plane, const SymbolShape& shape,
                           std::int64_t rows, const std::uint8_t* symbols, ByteWriter& out) const {
    (void)queue, (void)plane, (void)shape, (void)rows, (void)symbols, (void)out;
    return no_device_code();
  }
  virtual Status decode_on(DeviceQueue& queue, const Plane& plane, const SymbolShape& shape,
                           std::int64_t rows, Bytes in, std::uint8_t* symbols) const {
    (void)queue, (void)plane, (void)shape, (void)rows, (void)in, (void)symbols;
    return no_device_code();
  }
};

// One row of the registry (registry.cpp). Ids are never reused: frames carry them.
struct StageRow {
  std::uint16_t id;
  const char* name;
  StageRole role;
  std::uint8_t version;
  std::span<const ParameterRow> parameters;
  const char* summary;  // with the method's source
  Result<std::unique_ptr<Stage>> (*create)(const Parameters& parameters);
  bool runs_on_cuda = false;
};

}  // namespace sluice::kernels
