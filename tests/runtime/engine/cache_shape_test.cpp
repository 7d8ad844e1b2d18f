// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/cache_shape.hpp"

#include <gtest/gtest.h>

#include "runtime/engine/rope.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

TEST(CacheShape, IsTheModels) {
  const TinyModel model(tiny_spec());
  const kernels::CacheShape shape = cache_shape_of(model);
  EXPECT_EQ(shape.layers, model.spec().layers);
  EXPECT_EQ(shape.kv_heads, model.spec().kv_heads);
  EXPECT_EQ(shape.head_dim, model.spec().head_dim);
  EXPECT_EQ(shape.model_fingerprint, model.fingerprint());
  EXPECT_EQ(shape.rope.is_interleaved, model.spec().rope.style == RopeStyle::kInterleaved);
  EXPECT_EQ(shape.rope.radians_per_position,
            RopeFrequencies::build(model.spec().rope, {}).radians_per_position);
}

}  // namespace
}  // namespace sluice::runtime
