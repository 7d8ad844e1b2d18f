// SPDX-License-Identifier: Apache-2.0
// One step for all components of a calibrated transform, and an entropy coder that knows how wide
// each component is beside the step: reverse water-filling (Cover and Thomas, Elements of
// Information Theory, 2nd edition, section 10.3.3) by an entropy-coded scalar quantizer, which is
// within 0.25 bit of what any quantizer can do at high rates (Gish and Pierce, Asymptotically
// efficient quantizing, 1968).
#pragma once

#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

StageRow waterfill_row();

}  // namespace sluice::kernels
