// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model_file.hpp"

#include <string>
#include <system_error>
#include <utility>

#include "runtime/model/architecture.hpp"
#include "runtime/model/fingerprint.hpp"
#include "runtime/model/gguf_file.hpp"
#include "runtime/model/spec_check.hpp"
#include "runtime/model/weight_table.hpp"

namespace sluice::runtime {
namespace {

// Either format once opened: what keeps the mappings alive, and the checked results.
class OpenModel final : public ModelFile {
 public:
  OpenModel(std::filesystem::path path, ModelSpec spec, WeightTable weights)
      : path_(std::move(path)),
        spec_(std::move(spec)),
        weights_(std::move(weights)),
        fingerprint_(fingerprint_of(spec_, weights_)) {}

  void keep(std::unique_ptr<GgufFile> file) { gguf_ = std::move(file); }

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
  std::unique_ptr<GgufFile> gguf_;
  ModelSpec spec_;
  WeightTable weights_;
  std::uint64_t fingerprint_;
};

Result<std::unique_ptr<ModelFile>> open_gguf(const std::filesystem::path& path) {
  const std::string name = path.string();
  auto file = SLUICE_TRY(GgufFile::open(path));
  const auto* architecture = SLUICE_TRY(architecture_of_gguf(*file, name));
  ModelSpec spec = SLUICE_TRY(architecture->spec_from_gguf(*file, name));
  if (spec.name.empty()) spec.name = path.stem().string();
  SLUICE_TRY(check_spec(spec, name));
  auto weights = SLUICE_TRY(WeightTable::bind(*file, *architecture, spec, NameStyle::kGguf, name));
  auto model = std::make_unique<OpenModel>(path, std::move(spec), std::move(weights));
  model->keep(std::move(file));
  return std::unique_ptr<ModelFile>(std::move(model));
}

}  // namespace

Result<std::unique_ptr<ModelFile>> ModelFile::open(const std::filesystem::path& path) {
  return open_gguf(path);
}

}  // namespace sluice::runtime
