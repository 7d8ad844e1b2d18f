// SPDX-License-Identifier: Apache-2.0
// A GGUF file: its header alone, then the whole model, which maps the file.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "kernels/core/check.hpp"
#include "runtime/model/gguf_parser.hpp"
#include "runtime/model/model_file.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/tiny_llama.hpp"

namespace {

using sluice::Bytes;
using sluice::TensorView;

void check_inside(const TensorView& view, Bytes file) {
  SLUICE_CHECK(view.data >= file.data(), "a tensor starts before the file");
  const auto offset = static_cast<std::size_t>(view.data - file.data());
  SLUICE_CHECK(offset <= file.size() && view.bytes() <= file.size() - offset,
               "a tensor ends after the file");
}

// One file in memory, written anew for every input.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    SLUICE_CHECK(descriptor_ >= 0, "no file in memory");
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string write(Bytes bytes) {
    SLUICE_CHECK(::ftruncate(descriptor_, 0) == 0, "cannot empty the file");
    const auto written = ::pwrite(descriptor_, bytes.data(), bytes.size(), 0);
    SLUICE_CHECK(written == static_cast<ssize_t>(bytes.size()), "cannot write the file");
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }

 private:
  int descriptor_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto contents = sluice::runtime::parse_gguf(bytes, "fuzz.gguf");
  SLUICE_CHECK(contents.has_value() || !contents.error().message.empty(), "an error says nothing");
  if (!contents) return 0;
  for (const auto& [name, tensor] : contents->tensors) {
    if (tensor.view) check_inside(*tensor.view, bytes);
  }
  static MemoryFile file;
  const auto model = sluice::runtime::ModelFile::open(file.write(bytes));
  SLUICE_CHECK(model.has_value() || !model.error().message.empty(), "an error says nothing");
  return 0;
}

namespace sluice::fuzz {

std::vector<std::string> seeds() {
  tests::TinyLlama tiny;
  tiny.layers = 1;
  tests::TinyLlama full = tiny;
  full.is_tied = false;
  full.has_bias = true;
  auto scaled = full.gguf().text("llama.rope.scaling.type", "yarn");
  scaled.f32("llama.rope.scaling.factor", 4.0F).u32("general.alignment", 32);
  scaled.texts("tokenizer.ggml.tokens", {"a", "b"});
  scaled.numbers<float>("tokenizer.ggml.scores", tests::GgufBuilder::kFloat32, {0.0F, -1.0F});
  scaled.tensor_f32("rope_freqs.weight", {2}, {1.0F, 8.0F});
  return {tiny.gguf().build(), scaled.build()};
}

}  // namespace sluice::fuzz
