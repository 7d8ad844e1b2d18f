// SPDX-License-Identifier: Apache-2.0
// Which decode engine serves which device.
#include "runtime/engine/decode_cpu.hpp"
#include "runtime/engine/decode_torch.hpp"
#include "runtime/engine/engine.hpp"

namespace sluice::runtime {

Result<std::unique_ptr<DecodeEngine>> DecodeEngine::create(const ModelFile& model,
                                                           const EngineOptions& options) {
  switch (options.device) {
    case Device::kCpu:
      return create_decode_cpu(model, options);
    case Device::kCuda:
      return create_torch_decode_engine(model, options);
  }
  return make_error(ErrorCode::kInvalidArgument, "there is no decode engine for this device");
}

}  // namespace sluice::runtime
