// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/engine_options.hpp"

#include <algorithm>
#include <string>

#include "kernels/core/device.hpp"

namespace sluice::runtime {

Result<EngineOptions> engine_options(std::string_view device, std::string_view compute,
                                     int threads) {
  EngineOptions options;
  options.threads = threads;
  if (compute == "f32") {
    options.compute = ComputeType::kF32;
  } else if (compute == "bf16") {
    options.compute = ComputeType::kBF16;
  } else if (compute != "auto") {
    return make_error(ErrorCode::kInvalidArgument,
                      "compute type '" + std::string(compute) + "' is not auto, f32 or bf16");
  }
  const bool has_cuda = cuda_device_count() > 0;
  if (device == "cuda" && !has_cuda) {
    return make_error(ErrorCode::kUnsupported,
                      is_built_with_cuda()
                          ? "the configuration asks for cuda, and no device is found"
                          : "the configuration asks for cuda, and this build has none");
  }
  if (device == "cuda" || (device == "auto" && has_cuda)) {
    options.device = Device::kCuda;
  } else if (device != "auto" && device != "cpu") {
    return make_error(ErrorCode::kInvalidArgument,
                      "device '" + std::string(device) + "' is not auto, cpu or cuda");
  }
  return options;
}

KvShape kv_shape_of(const ModelSpec& spec) {
  return {spec.layers, spec.kv_heads, spec.head_dim, DType::kBF16};
}

std::int64_t kv_blocks_in(const KvShape& shape, std::size_t bytes) {
  return static_cast<std::int64_t>(bytes / shape.bytes_per_token()) / kKvBlockTokens;
}

std::int64_t context_tokens_of(const ModelSpec& spec, std::int64_t configured) {
  return configured == 0 ? spec.context_max : std::min(configured, spec.context_max);
}

}  // namespace sluice::runtime
