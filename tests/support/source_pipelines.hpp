// SPDX-License-Identifier: Apache-2.0
// The source tree's presets for a test's model, without a profile.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "runtime/engine/cache_shape.hpp"
#include "runtime/frames/pipeline_set.hpp"

namespace sluice::runtime {

inline std::unique_ptr<PipelineSet> source_pipelines(const ModelFile& model,
                                                     const std::string& name = "raw") {
  PipelineSetOptions options;
  options.shape = cache_shape_of(model);
  options.presets = SLUICE_SOURCE_DIR "/configs/pipelines";
  auto set = PipelineSet::create(name, std::move(options));
  EXPECT_TRUE(set.has_value()) << set.error().message;
  return set ? std::move(*set) : nullptr;
}

}  // namespace sluice::runtime
