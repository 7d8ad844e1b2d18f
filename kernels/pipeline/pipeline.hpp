// SPDX-License-Identifier: Apache-2.0
// A list of stages that turns a layer's KV into a frame. Every published system is one of these.
//
// Order of work: the select stages give each token a level; tokens of one level (and of one head,
// when heads choose apart) form a segment; a segment's K and its V each pass the transforms, the
// quantizer, the correction and the entropy coder. Level kLevelExact, and a pipeline without a
// quantizer, send BF16 as it is.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/device.hpp"
#include "kernels/core/result.hpp"
#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// As a YAML file says it.
struct StageSpec {
  std::string name;
  ParameterMap parameters;
};
struct PipelineSpec {
  std::string name;
  std::string summary;
  std::vector<StageSpec> stages;
};

// What a pipeline's calibrated tensors are kept under: its name up to an '@'. "best@20x" is a level
// of "best" and shares what that learnt.
inline std::string_view calibrated_name(std::string_view pipeline) {
  return pipeline.substr(0, pipeline.find('@'));
}

// What to encode: positions [first_token, last_token) of `pages.size()` layers from layer_first on,
// all KV heads or a part of them.
//
// With tensor parallelism a rank's pages hold some of the model's heads, and a frame carries what
// one target needs of those. Pages that hold all heads can be sent in parts by every selection: it
// looks at all and says what each head keeps. Pages that hold a part are selected from by what is
// theirs alone, which a stage with needs_all_heads() cannot do.
struct EncodeTask {
  std::int64_t layer_first = 0;
  std::span<const KvPages> pages;     // layers_per_frame() of them, fewer for the model's last ones
  std::int64_t pages_head_first = 0;  // the model's head that is the pages' first
  std::int64_t head_first = 0;        // of the model: the frame's
  std::int64_t head_count = 0;        // 0: all from head_first on that the pages hold
  std::int64_t first_token = 0;       // not 0 only if is_streaming()
  std::int64_t last_token = 0;
  // By layer of the frame; if needs_all_layers(), of the model. Empty if !score_needs().any(). Of
  // the heads that the pages hold.
  std::span<const LayerScores> scores;
  const struct LayerPlan* plan = nullptr;  // of plan_layers(), if needs_all_layers()
  std::uint64_t seed = 0;
  // Of the pages' blocks. kCuda: pages are of the thread's current device, what is queued on
  // `stream` (a cudaStream_t; nullptr is the default one) comes first, and encode() waits for it.
  // Where all stages have runs_on_cuda, the rows are coded on the device; else the tokens' blocks
  // are copied to pinned host memory once and coded there. The frames are the same.
  MemoryKind memory = MemoryKind::kHost;
  void* stream = nullptr;
};

// What the layers of one request get of its budget, once all scores are known.
struct LayerPlan {
  std::vector<float> budget_scales;
  std::vector<LayerScores> shared;  // by select stage
};

// What became of a frame: for tables and logs.
struct EncodeReport {
  std::size_t frame_bytes = 0;
  std::int64_t elements = 0;  // of K and V before selection
  std::int64_t elements_kept = 0;
  bool is_raw = false;     // the pipeline's frame would have been larger than raw rows
  bool on_device = false;  // coded where the pages are; always false for pages on the host
};

// Memory of one encoding or decoding thread, kept between frames: about one layer in FP32.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(Scratch&&) noexcept;
  Scratch& operator=(Scratch&&) noexcept;
  struct Buffers;
  Buffers& buffers() { return *buffers_; }

 private:
  std::unique_ptr<Buffers> buffers_;
};

// Immutable; any number of threads may encode at once, each with its own scratch.
class Pipeline {
 public:
  // kInvalidArgument names the stage or the wrong pair of neighbours. `profile` may be null; it is
  // shared. A stage that misses something in it says so here, not at the first request.
  static Result<std::unique_ptr<const Pipeline>> create(const PipelineSpec& spec,
                                                        const CacheShape& shape,
                                                        std::shared_ptr<const Profile> profile);
  ~Pipeline();

  const std::string& name() const;
  const CacheShape& shape() const;
  ScoreNeeds score_needs() const;
  std::int64_t layers_per_frame() const;
  // Frames may cover a part of the prompt: nothing looks at all tokens.
  bool is_streaming() const;
  bool needs_all_layers() const;
  Result<LayerPlan> plan_layers(std::int64_t tokens, std::span<const LayerScores> scores,
                                std::uint64_t seed) const;

  // Whether frames of a part of the heads can be made: kUnsupported names a stage that works on all
  // heads of a layer together. `holds_all`: of pages that hold all of the model's heads.
  Status check_head_parts(bool holds_all) const;

  // No frame of `tokens` tokens, `layers` layers and `heads` heads (0: all) is larger.
  std::size_t frame_bytes_max(std::int64_t tokens, std::int64_t layers,
                              std::int64_t heads = 0) const;

  // Writes one frame to the front of `frame`. kInvalidArgument: K or V holds a NaN or an infinity
  // (named by layer and token) and the pipeline would not keep it. kUnsupported: as
  // check_head_parts().
  Result<EncodeReport> encode(const EncodeTask& task, MutableBytes frame, Scratch& scratch) const;

 private:
  struct Parts;
  explicit Pipeline(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Learns what the pipeline's stages keep in a profile (bases, levels, symbol frequencies), stage by
// stage, from whole caches. `profile` gains the tensors; stages already calibrated are kept.
struct CalibrationCache {
  std::vector<KvPages> pages;  // by layer
  std::int64_t tokens = 0;
  std::vector<LayerScores> scores;  // by layer; empty if the pipeline needs none
};
// What a pipeline's calibration caches must have scores of; the errors of Pipeline::create.
Result<ScoreNeeds> score_needs_of(const PipelineSpec& spec);
Status calibrate(const PipelineSpec& spec, const CacheShape& shape,
                 std::span<const CalibrationCache> caches, Profile& profile);

}  // namespace sluice::kernels
