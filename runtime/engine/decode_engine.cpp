// SPDX-License-Identifier: Apache-2.0
// Which decode engine serves which device.
#include "runtime/engine/decode_cpu.hpp"
#include "runtime/engine/engine.hpp"

namespace sluice::runtime {

Result<std::unique_ptr<DecodeEngine>> DecodeEngine::create(const ModelFile& model,
                                                           const EngineOptions& options) {
  switch (options.device) {
    case Device::kCpu:
      return create_decode_cpu(model, options);
    case Device::kCuda:
      break;
  }
  return make_error(ErrorCode::kUnsupported,
                    "decode on CUDA is not there yet: set the decode device to cpu");
}

}  // namespace sluice::runtime
