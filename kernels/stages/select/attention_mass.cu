// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/select/attention_mass_body.hpp"

namespace sluice::kernels {

Status add_attention_mass_on_cuda(const AttentionMassTask& task, void* stream) {
  if (task.last_token <= task.first_token) return {};
  const float root = std::sqrt(static_cast<float>(task.head_dim));
  return with_attention_mass_body(task, root, [stream](std::int64_t grid, const auto& body) {
    return launch_on_cuda(grid, body, stream, "add up attention");
  });
}

}  // namespace sluice::kernels
