// SPDX-License-Identifier: Apache-2.0
// Where a plane's distributions come from: the profile, or a few tables sent ahead of the symbols.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/entropy/symbol_counts.hpp"
#include "kernels/stages/entropy/symbol_groups.hpp"
#include "kernels/stages/entropy/symbol_model.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// "<stage>.<plane.tables>.freq.level<level>.k.<layer>"; planes of some heads only add ".h<first>-
// <last>" after the level. A U8 tensor: a histogram for each column (symbol_histograms.hpp), of
// which frequencies with the sum 2^14 are made; or an I32 tensor [columns][2, 4, ... or 256
// symbols] of frequencies, which profiles had before.
std::string static_tables_name(std::string_view stage, const Plane& plane);

// A table for each group, the sum of its columns' frequencies; every symbol has one. kNotFound:
// the profile has none for this plane; kCorrupt: of another shape.
// With shape.family: the I32 tensor of that name, its row `context` for a group.
Result<SymbolModel> static_model(std::string_view stage, const Plane& plane,
                                 const SymbolShape& shape, const SymbolGroups& groups,
                                 int precision);

// Counts symbols by column and keeps them under static_tables_name. `stage` must outlive it.
std::unique_ptr<Calibration> calibrate_tables(std::string_view stage);

// Clusters the groups' counts into a few tables and writes them (spec: "Sent tables"). Read back
// with read_tables, also by the encoder: what counts is what the decoder sees.
void write_tables(const SymbolGroups& groups, const SymbolCounts& counts, int precision,
                  ByteWriter& out);
Result<SymbolModel> read_tables(const SymbolGroups& groups, int precision, ByteReader& in);

}  // namespace sluice::kernels
