// SPDX-License-Identifier: Apache-2.0
#include "launch/ucx_probe.hpp"

#include "comm/ucx/report.hpp"

namespace sluice::launch {

UcxFacts probe_ucx() {
  UcxFacts facts;
  facts.is_built_in = true;
  const Result<comm::ucx::UcxReport> report = comm::ucx::make_ucx_report();
  if (!report) {
    facts.failure = report.error().message;
    return facts;
  }
  facts.version = report->loaded_version;
  facts.compiled_version = report->compiled_version;
  facts.is_mismatched = report->is_mismatched;
  facts.path = report->library_path;
  facts.copies = report->copies;
  facts.resources = report->resources;
  facts.has_shared_memory = report->has_shared_memory;
  facts.has_cuda = report->has_cuda;
  return facts;
}

}  // namespace sluice::launch
