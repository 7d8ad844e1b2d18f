// SPDX-License-Identifier: Apache-2.0
// Every stage there is, in one table. Adding one: its folder, its row in registry.cpp, its test.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

std::span<const StageRow> stage_table();

// Null when there is none.
const StageRow* find_stage(std::string_view name);
const StageRow* find_stage(std::uint16_t id);

}  // namespace sluice::kernels
