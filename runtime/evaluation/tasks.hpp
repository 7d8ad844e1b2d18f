// SPDX-License-Identifier: Apache-2.0
// The tasks of an evaluation: where their items come from and how answers to them are scored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/evaluation/item.hpp"

namespace sluice::runtime {

struct ItemRequest {
  std::filesystem::path data = {};  // the folder with the data sets' files
  std::int64_t count = 0;           // items wanted; fewer come if there are fewer
  std::uint64_t seed = 7;
  // Tokens of a text, for haystacks of a given length.
  std::function<std::int64_t(std::string_view)> count_tokens = {};
  // Needles only: a grid of these; empty: the task's own. Items go round the grid.
  std::vector<std::int64_t> lengths = {};
  std::vector<double> depths = {};
  std::vector<std::int64_t> keys = {};
};

struct TaskRow {
  const char* name;
  const char* summary;  // with the data set's source
  const char* measure;  // of its score: "F1", "accuracy", "exact match"
  // The first `count` items of an order that depends on the seed alone: fewer items are a part of
  // more. kNotFound names the file that `data` lacks; kInvalidArgument the item that is malformed.
  Result<std::vector<EvaluationItem>> (*items)(const ItemRequest& request);
  // 0..1, by the rules of the data set's official scorer.
  double (*score)(const EvaluationItem& item, std::string_view said);
};

std::span<const TaskRow> task_rows();
// kNotFound names the task and those that there are.
Result<const TaskRow*> find_task(std::string_view name);

}  // namespace sluice::runtime
