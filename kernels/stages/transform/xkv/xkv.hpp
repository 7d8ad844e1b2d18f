// SPDX-License-Identifier: Apache-2.0
// A group of neighbouring layers in one shared basis (xKV, arXiv 2503.18893).
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow xkv_row();

}  // namespace sluice::kernels
