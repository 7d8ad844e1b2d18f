// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/stage_list.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/stages/registry.hpp"

namespace sluice::kernels {
namespace {

constexpr std::size_t kStagesMax = 32;

std::string described(const StageRow& row) {
  std::string text("'");
  text += row.name;
  text += "' (";
  text += stage_role_name(row.role);
  text += ")";
  return text;
}

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

}  // namespace

const char* stage_role_name(StageRole role) {
  switch (role) {
    case StageRole::kSelect:
      return "select";
    case StageRole::kTransform:
      return "transform";
    case StageRole::kQuantize:
      return "quantize";
    case StageRole::kCorrect:
      return "correct";
    case StageRole::kEntropy:
      return "entropy";
  }
  return "unknown";
}

Status StageList::append(const StageRow& row, Parameters parameters) {
  std::unique_ptr<Stage> stage = SLUICE_TRY(row.create(parameters));
  switch (row.role) {
    case StageRole::kSelect:
      selects.push_back(static_cast<const SelectStage*>(stage.get()));
      break;
    case StageRole::kTransform:
      transforms.push_back(static_cast<const TransformStage*>(stage.get()));
      break;
    case StageRole::kQuantize:
      quantize = static_cast<const QuantizeStage*>(stage.get());
      break;
    case StageRole::kCorrect:
      correct = static_cast<const CorrectStage*>(stage.get());
      break;
    case StageRole::kEntropy:
      entropy = static_cast<const EntropyStage*>(stage.get());
      break;
  }
  entries.push_back({&row, std::move(parameters), std::move(stage)});
  return {};
}

Status StageList::check_neighbours() const {
  if (entries.size() > kStagesMax) return invalid("a pipeline has at most 32 stages");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const StageRow& row = *entries[i].row;
    const bool is_first = i == 0;
    if (!is_first) {
      const StageRow& before = *entries[i - 1].row;
      if (row.role < before.role) {
        return invalid("stage " + described(row) + " cannot follow " + described(before) +
                       ": the order is select, transform, quantize, correct, entropy");
      }
      if (row.role == before.role && row.role >= StageRole::kQuantize) {
        return invalid("stage " + described(row) + " cannot follow " + described(before) +
                       ": a pipeline has one " + stage_role_name(row.role) + " stage");
      }
    }
    if (row.role > StageRole::kQuantize && quantize == nullptr) {
      return invalid(
          "stage " + described(row) + " needs a quantize stage before it, not " +
          (is_first ? std::string("the pipeline's beginning") : described(*entries[i - 1].row)));
    }
  }
  if (quantize == nullptr || !quantize->joins_halves()) return {};
  for (const Entry& entry : entries) {
    const bool is_asked =
        entry.row->role == StageRole::kTransform || entry.row->role == StageRole::kCorrect;
    if (!is_asked || entry.stage->takes_joint_planes()) continue;
    return invalid("stage " + described(*entry.row) +
                   " works on K and on V apart: it does not fit a quantize stage that codes them "
                   "together");
  }
  return {};
}

Result<StageList> StageList::from_spec(const PipelineSpec& spec) {
  StageList list;
  for (const StageSpec& stage : spec.stages) {
    const StageRow* row = find_stage(stage.name);
    if (row == nullptr) return invalid("there is no stage '" + stage.name + "'");
    auto parameters = SLUICE_TRY(Parameters::parse(row->name, row->parameters, stage.parameters));
    SLUICE_TRY(list.append(*row, std::move(parameters)));
  }
  SLUICE_TRY(list.check_neighbours());
  return list;
}

Result<StageList> StageList::read(ByteReader& records) {
  StageList list;
  const auto count = SLUICE_TRY(records.get<std::uint8_t>());
  if (count > kStagesMax) return make_error(ErrorCode::kCorrupt, "the frame has too many stages");
  for (int i = 0; i < count; ++i) {
    const auto id = SLUICE_TRY(records.get<std::uint16_t>());
    const auto version = SLUICE_TRY(records.get<std::uint8_t>());
    const StageRow* row = find_stage(id);
    if (row == nullptr) {
      return make_error(
          ErrorCode::kUnsupported,
          "the frame was made with a stage unknown here (number " + std::to_string(id) + ")");
    }
    if (row->role == StageRole::kSelect) {
      return make_error(ErrorCode::kCorrupt, "the frame names a select stage");
    }
    if (version != row->version) {
      return make_error(ErrorCode::kUnsupported, "the frame was made with version " +
                                                     std::to_string(version) + " of stage '" +
                                                     row->name + "', and here is version " +
                                                     std::to_string(row->version));
    }
    auto parameters = SLUICE_TRY(Parameters::read(row->name, row->parameters, records));
    if (const Status ok = list.append(*row, std::move(parameters)); !ok) {
      return make_error(ErrorCode::kCorrupt, "in a frame, " + ok.error().message);
    }
  }
  if (const Status ok = list.check_neighbours(); !ok) {
    return make_error(ErrorCode::kCorrupt, "in a frame, " + ok.error().message);
  }
  return list;
}

void StageList::write(ByteWriter& records) const {
  records.put(static_cast<std::uint8_t>(entries.size() - selects.size()));
  for (const Entry& entry : entries) {
    if (entry.row->role == StageRole::kSelect) continue;
    records.put(entry.row->id);
    records.put(entry.row->version);
    entry.parameters.write(records);
  }
}

bool StageList::needs_all_rows() const {
  return correct != nullptr || (quantize != nullptr && quantize->needs_all_rows()) ||
         std::any_of(transforms.begin(), transforms.end(),
                     [](const TransformStage* stage) { return stage->needs_all_rows(); });
}

bool StageList::uses_profile() const {
  return std::any_of(entries.begin(), entries.end(), [](const Entry& entry) {
    return entry.row->role != StageRole::kSelect && entry.stage->calibration() != nullptr;
  });
}

}  // namespace sluice::kernels
