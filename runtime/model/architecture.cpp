// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/architecture.hpp"

#include <algorithm>
#include <cctype>

#include "runtime/model/llama.hpp"
#include "runtime/model/printable.hpp"

namespace sluice::runtime {
namespace {

// The next architecture is a file beside llama.cpp and an entry here.
const Architecture kArchitectures[] = {llama_architecture()};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string listed(std::span<const std::string_view> (*names)(const Architecture&)) {
  std::string list;
  for (const auto& architecture : kArchitectures) {
    for (const auto name : names(architecture)) {
      list += (list.empty() ? "" : ", ") + std::string(name);
    }
  }
  return list;
}

std::string lower_case(std::string text) {
  for (char& letter : text) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return text;
}

}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

Result<const Architecture*> architecture_of_gguf(const GgufFile& file, const std::string& source) {
  const std::string name = SLUICE_TRY(file.text("general.architecture"));
  for (const auto& architecture : kArchitectures) {
    if (contains(architecture.gguf_names, name)) return &architecture;
  }
  return make_error(
      ErrorCode::kUnsupported,
      source + ": the architecture " + printable(name) + " is not supported; known are: " +
          listed([](const Architecture& architecture) { return architecture.gguf_names; }));
}

Result<const Architecture*> architecture_of_config(const ModelConfig& config) {
  const auto classes = config.texts("architectures");
  const std::string type = SLUICE_TRY(config.text_or("model_type", ""));
  for (const auto& architecture : kArchitectures) {
    if (classes.empty() && contains(architecture.hf_model_types, lower_case(type))) {
      return &architecture;
    }
    for (const auto& name : classes) {
      if (contains(architecture.hf_classes, name)) return &architecture;
    }
  }
  if (classes.empty() && type.empty()) {
    return make_error(ErrorCode::kCorrupt,
                      config.name() +
                          ": names no architecture, neither in 'architectures' nor in "
                          "'model_type'");
  }
  return make_error(
      ErrorCode::kUnsupported,
      config.name() + ": the architecture " + printable(classes.empty() ? type : classes.front()) +
          " is not supported; known are: " +
          listed([](const Architecture& architecture) { return architecture.hf_classes; }));
}

}  // namespace sluice::runtime
