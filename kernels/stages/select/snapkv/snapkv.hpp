// SPDX-License-Identifier: Apache-2.0
// SnapKV (arXiv 2404.14469): tokens that the prompt's last tokens pay attention to.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow snapkv_row();

}  // namespace sluice::kernels
