// SPDX-License-Identifier: Apache-2.0
// The pipelines of one process: the one its cluster file names, and others that requests ask for.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/frame.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "scheduler/level_table.hpp"

namespace sluice::runtime {

struct PipelineSetOptions {
  kernels::CacheShape shape;
  std::shared_ptr<const kernels::Profile> profile;  // may be null
  std::filesystem::path presets;                    // the folder of NAME.yaml
};

// A level of a table, and what makes its frames.
struct LevelPipeline {
  std::int32_t level = -1;  // its index
  std::shared_ptr<const kernels::Pipeline> pipeline;
};

// Levels that the frames of one request may change between: whichever makes a frame, it is of the
// same layers and tokens (plan_frames()), waits for the same scores, and needs nothing of other
// frames. In the table's order, which is by descending bytes.
using LevelFamily = std::vector<LevelPipeline>;

// Any thread.
class PipelineSet {
 public:
  using PipelinePointer = std::shared_ptr<const kernels::Pipeline>;

  // `name_or_path`: as find_pipeline(). Errors of the file, or of Pipeline::create; kUnsupported:
  // it needs more than one pass over a prompt.
  static Result<std::unique_ptr<PipelineSet>> create(const std::string& name_or_path,
                                                     PipelineSetOptions options);

  const PipelinePointer& standard() const { return standard_; }

  // The standard one for an empty name; else a preset, built when first asked for. kNotFound and
  // kInvalidArgument are sentences for whoever sent the request.
  Result<PipelinePointer> find(const std::string& name);

  // What the hashes of a prompt's blocks are begun with when its KV came in frames of this
  // pipeline, so that KV of different kinds is never mistaken for another: its pipeline_hash().
  // Nothing: the pipeline is not there, or !keeps_prefixes().
  std::optional<std::uint64_t> prefix_salt(const std::string& name);

  // The levels that can be used here, each in one family, perhaps alone: those whose preset there
  // is, and has the stages that were measured.
  std::vector<LevelFamily> families(const scheduler::LevelTable& levels);

  // Reads frames of every pipeline: they say themselves what they need.
  const kernels::FrameDecoder& decoder() const { return decoder_; }
  const kernels::CacheShape& shape() const { return options_.shape; }

  // What all ranks must agree on.
  std::uint64_t pipeline_hash() const { return pipeline_hash_; }  // of the standard one
  std::uint64_t profile_hash() const { return profile_hash_; }    // 0: no profile

 private:
  struct Known {
    PipelinePointer pipeline;
    std::uint64_t hash = 0;
  };

  explicit PipelineSet(PipelineSetOptions options);
  Result<Known> find_known(const std::string& name);

  PipelineSetOptions options_;
  kernels::FrameDecoder decoder_;
  PipelinePointer standard_;
  std::uint64_t pipeline_hash_ = 0;
  std::uint64_t profile_hash_ = 0;
  std::mutex mutex_;
  std::map<std::string, Known> others_;  // no more than there are presets
};

}  // namespace sluice::runtime
