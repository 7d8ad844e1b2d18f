// SPDX-License-Identifier: Apache-2.0
// What packs one page of one head into panels; apart from its source, which is compiled once for
// each vector width and must not define it anew each time.
#pragma once

#include <cstdint>

#include "kernels/elementwise/kv_pages.hpp"

namespace sluice::kernels {

// `block` counts blocks of the sequence.
struct PageJob {
  const KvPages* pages;
  const KvPanels* panels;
  std::int64_t head;
  std::int64_t block;
  std::int64_t count;        // filled tokens of this block, none for padding
  std::int64_t head_tokens;  // of a head in the panels, padding included
};

}  // namespace sluice::kernels
