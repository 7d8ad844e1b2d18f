// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/tokenizer.hpp"

#include <utility>

#include "runtime/model/model_file.hpp"
#include "runtime/tokenizer/gguf_vocabulary.hpp"
#include "runtime/tokenizer/json_vocabulary.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {
namespace {

// The largest published tokenizer.json files have some 35 MB.
constexpr std::size_t kTokenizerBytesMax = 256 << 20;

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::open(const ModelFile& model) {
  if (model.gguf() != nullptr) return from_gguf(*model.gguf());
  return from_json(model.path() / "tokenizer.json");
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_gguf(const GgufFile& gguf) {
  return make_tokenizer(SLUICE_TRY(read_gguf_vocabulary(gguf)));
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_json(const std::filesystem::path& path) {
  const std::string text = SLUICE_TRY(read_text_file(path, kTokenizerBytesMax));
  TokenizerData data = SLUICE_TRY(read_json_vocabulary(text));
  SLUICE_TRY(read_json_settings(path.parent_path(), data));
  return make_tokenizer(std::move(data));
}

}  // namespace sluice::runtime
