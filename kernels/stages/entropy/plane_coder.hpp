// SPDX-License-Identifier: Apache-2.0
// What every entropy stage does around its coder: choose tables, fall back to packed bits, check.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/entropy/symbol_groups.hpp"
#include "kernels/stages/entropy/symbol_model.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// The parameter `tables`, by its index.
enum class TableSource : std::uint8_t { kAuto, kStatic, kAdaptive };
inline constexpr const char* kTableSources = "auto static adaptive";

// A plane's first byte.
enum class PlaneMode : std::uint8_t { kPacked = 0, kStatic = 1, kSent = 2 };

// Codes symbols under a model. Without state: one object serves all threads.
class SymbolCoder {
 public:
  virtual ~SymbolCoder() = default;
  virtual std::string_view name() const = 0;  // of the stage, in the profile
  virtual int precision() const = 0;
  // rows > 0 and at least one active column.
  virtual std::vector<std::byte> encode(const SymbolGroups& groups, const SymbolModel& model,
                                        std::int64_t rows, const std::uint8_t* symbols) const = 0;
  // Writes the active columns only. kCorrupt: `in` is not what encode gave.
  virtual Status decode(const SymbolGroups& groups, const SymbolModel& model, std::int64_t rows,
                        Bytes in, std::uint8_t* symbols) const = 0;
  // The same for symbols in the queue's memory; waits for it. Of stages that run on CUDA.
  virtual Result<std::vector<std::byte>> encode_on(DeviceQueue& queue, const SymbolGroups& groups,
                                                   const SymbolModel& model, std::int64_t rows,
                                                   const std::uint8_t* symbols) const {
    (void)queue, (void)groups, (void)model, (void)rows, (void)symbols;
    return no_device_code();
  }
  virtual Status decode_on(DeviceQueue& queue, const SymbolGroups& groups, const SymbolModel& model,
                           std::int64_t rows, Bytes in, std::uint8_t* symbols) const {
    (void)queue, (void)groups, (void)model, (void)rows, (void)in, (void)symbols;
    return no_device_code();
  }
};

// As EntropyStage::encode and decode.
Status encode_plane(const SymbolCoder& coder, TableSource source, const Plane& plane,
                    const SymbolShape& shape, std::int64_t rows, const std::uint8_t* symbols,
                    ByteWriter& out);
Status decode_plane(const SymbolCoder& coder, const Plane& plane, const SymbolShape& shape,
                    std::int64_t rows, Bytes in, std::uint8_t* symbols);

// As EntropyStage::encode_on and decode_on.
struct PlaneSymbols {
  const Plane& plane;
  const SymbolShape& shape;
  std::int64_t rows;
};
Status encode_plane_on(DeviceQueue& queue, const SymbolCoder& coder, TableSource source,
                       const PlaneSymbols& of, const std::uint8_t* symbols, ByteWriter& out);
Status decode_plane_on(DeviceQueue& queue, const SymbolCoder& coder, const PlaneSymbols& of,
                       Bytes in, std::uint8_t* symbols);

}  // namespace sluice::kernels
