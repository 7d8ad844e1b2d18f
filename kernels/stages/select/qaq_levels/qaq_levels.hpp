// SPDX-License-Identifier: Apache-2.0
// QAQ (arXiv 2403.04643): levels by what quantizing a token would do to attention.
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow qaq_levels_row();

}  // namespace sluice::kernels
