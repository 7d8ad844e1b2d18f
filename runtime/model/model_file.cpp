// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model_file.hpp"

#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include "runtime/model/architecture.hpp"
#include "runtime/model/fingerprint.hpp"
#include "runtime/model/gguf_file.hpp"
#include "runtime/model/mapped_file.hpp"
#include "runtime/model/model_config.hpp"
#include "runtime/model/safetensors_file.hpp"
#include "runtime/model/spec_check.hpp"
#include "runtime/model/weight_table.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kConfigBytesMax = std::size_t{4} << 20;

// Either format once opened: what keeps the mappings alive, and the checked results.
class OpenModel final : public ModelFile {
 public:
  OpenModel(std::filesystem::path path, ModelSpec spec, WeightTable weights)
      : path_(std::move(path)),
        spec_(std::move(spec)),
        weights_(std::move(weights)),
        fingerprint_(fingerprint_of(spec_, weights_)) {}

  void keep(std::unique_ptr<GgufFile> file) { gguf_ = std::move(file); }
  void keep(std::unique_ptr<SafetensorsFile> file) { safetensors_ = std::move(file); }

  const ModelSpec& spec() const override { return spec_; }
  std::optional<TensorView> weight(WeightRole role, std::int64_t layer) const override {
    const bool is_once = role < WeightRole::kAttentionNorm || role == WeightRole::kRopeFactors;
    return weights_.find(role, is_once ? 0 : layer);
  }
  const GgufFile* gguf() const override { return gguf_.get(); }
  const std::filesystem::path& path() const override { return path_; }
  std::uint64_t fingerprint() const override { return fingerprint_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<GgufFile> gguf_;  // one of the two
  std::unique_ptr<SafetensorsFile> safetensors_;
  ModelSpec spec_;
  WeightTable weights_;
  std::uint64_t fingerprint_;
};

// One part has neither all the tensors nor (but the first) the model's settings.
Status check_whole(const GgufFile& file, const std::string& name) {
  if (file.find("split.count") == nullptr) return {};
  const std::int64_t count = SLUICE_TRY(file.integer("split.count"));
  if (count <= 1) return {};
  return make_error(ErrorCode::kUnsupported,
                    name + ": is one part of a model that is split into " + std::to_string(count) +
                        " files; join them first (llama.cpp: llama-gguf-split --merge)");
}

Result<std::unique_ptr<ModelFile>> open_gguf(const std::filesystem::path& path) {
  const std::string name = path.string();
  auto file = SLUICE_TRY(GgufFile::open(path));
  SLUICE_TRY(check_whole(*file, name));
  const auto* architecture = SLUICE_TRY(architecture_of_gguf(*file, name));
  ModelSpec spec = SLUICE_TRY(architecture->spec_from_gguf(*file, name));
  if (spec.name.empty()) spec.name = path.stem().string();
  SLUICE_TRY(check_spec(spec, name));
  auto weights = SLUICE_TRY(WeightTable::bind(*file, *architecture, spec, NameStyle::kGguf, name));
  auto model = std::make_unique<OpenModel>(path, std::move(spec), std::move(weights));
  model->keep(std::move(file));
  return std::unique_ptr<ModelFile>(std::move(model));
}

Result<ModelConfig> read_config(const std::filesystem::path& path) {
  const std::string name = path.string();
  const auto file = SLUICE_TRY(MappedFile::open(path));
  if (file.bytes().size() > kConfigBytesMax) {
    return make_error(ErrorCode::kCorrupt, name + ": is larger than a config.json can be");
  }
  return ModelConfig::parse(file.bytes(), name);
}

Result<std::unique_ptr<ModelFile>> open_folder(const std::filesystem::path& path) {
  const std::string name = path.string();
  const auto config = SLUICE_TRY(read_config(path / "config.json"));
  const auto* architecture = SLUICE_TRY(architecture_of_config(config));
  if (config.has_object("quantization_config")) {
    return make_error(ErrorCode::kUnsupported,
                      config.name() +
                          ": quantized weights in a Hugging Face folder are not "
                          "supported; BF16, FP16, FP32 or a GGUF file are");
  }
  ModelSpec spec = SLUICE_TRY(architecture->spec_from_config(config));
  // A trailing slash leaves an empty last part.
  const auto folder = path.has_filename() ? path.filename() : path.parent_path().filename();
  spec.name = folder.string();
  SLUICE_TRY(check_spec(spec, config.name()));
  auto file = SLUICE_TRY(SafetensorsFile::open_folder(path));
  auto weights =
      SLUICE_TRY(WeightTable::bind(*file, *architecture, spec, NameStyle::kHuggingFace, name));
  auto model = std::make_unique<OpenModel>(path, std::move(spec), std::move(weights));
  model->keep(std::move(file));
  return std::unique_ptr<ModelFile>(std::move(model));
}

}  // namespace

Result<std::unique_ptr<ModelFile>> ModelFile::open(const std::filesystem::path& path) {
  std::error_code ignored;  // opening says what is wrong
  if (std::filesystem::is_directory(path, ignored)) return open_folder(path);
  const auto ending = path.extension();
  if (std::filesystem::exists(path, ignored) && (ending == ".safetensors" || ending == ".json")) {
    return make_error(ErrorCode::kInvalidArgument,
                      path.string() + ": is one file of a Hugging Face folder; name the folder");
  }
  return open_gguf(path);
}

}  // namespace sluice::runtime
