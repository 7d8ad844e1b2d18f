// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/fingerprint.hpp"

#include <gtest/gtest.h>

#include "runtime/model/model_file.hpp"
#include "tests/support/tiny_llama.hpp"

namespace sluice::runtime {
namespace {

std::uint64_t fingerprint(const tests::GgufBuilder& builder) {
  const tests::TemporaryFolder folder;
  const auto model = ModelFile::open(folder.write("m.gguf", builder.build()));
  EXPECT_TRUE(model.has_value()) << model.error().message;
  return model ? (*model)->fingerprint() : 0;
}

TEST(Fingerprint, TheSameModelElsewhereIsTheSame) {
  const tests::TinyLlama tiny;
  EXPECT_EQ(fingerprint(tiny.gguf()), fingerprint(tiny.gguf()));
  // Metadata that the engine does not see changes nothing.
  EXPECT_EQ(fingerprint(tiny.gguf()), fingerprint(tiny.gguf().text("general.author", "us")));
}

TEST(Fingerprint, OneOtherWeightOrSettingIsAnother) {
  tests::TinyLlama tiny;
  const auto original = fingerprint(tiny.gguf());
  auto builder = tiny.gguf();
  builder.tensors.back().bytes.back() ^= std::byte{1};
  EXPECT_NE(fingerprint(builder), original);
  EXPECT_NE(fingerprint(tiny.gguf().u32("llama.rope.dimension_count", 2)), original);
  tiny.context = 128;
  EXPECT_NE(fingerprint(tiny.gguf()), original);
}

}  // namespace
}  // namespace sluice::runtime
