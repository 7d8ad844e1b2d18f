// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/tokenizer.hpp"

#include <utility>

#include "runtime/model/model_file.hpp"
#include "runtime/tokenizer/gguf_vocabulary.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

Result<std::unique_ptr<Tokenizer>> Tokenizer::open(const ModelFile& model) {
  if (model.gguf() != nullptr) return from_gguf(*model.gguf());
  return from_json(model.path() / "tokenizer.json");
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_gguf(const GgufFile& gguf) {
  return make_tokenizer(SLUICE_TRY(read_gguf_vocabulary(gguf)));
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::from_json(const std::filesystem::path& path) {
  return make_error(ErrorCode::kUnsupported, "not yet: " + path.string());
}

}  // namespace sluice::runtime
