// SPDX-License-Identifier: Apache-2.0
// `sluice codec calibrate`: from a model and texts to the profile that pipelines read.
#pragma once

#include "kernels/core/result.hpp"
#include "launch/codec.hpp"

namespace sluice::launch {

Status calibrate(const CodecOptions& options);

}  // namespace sluice::launch
