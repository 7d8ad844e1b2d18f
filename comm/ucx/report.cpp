// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/report.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <utility>

#include "comm/ucx/ucx_handles.hpp"

namespace sluice::comm::ucx {
namespace {

std::vector<std::string> mapped_copies() {
  std::ifstream maps("/proc/self/maps");
  std::vector<std::string> copies;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t path_start = line.find('/');
    if (path_start == std::string::npos) continue;
    std::string path = line.substr(path_start);
    if (path.find("/libucp") == std::string::npos) continue;
    if (std::find(copies.begin(), copies.end(), path) == copies.end()) {
      copies.push_back(std::move(path));
    }
  }
  return copies;
}

bool starts_with_any(const std::string& name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

Result<UcxReport> make_ucx_report() {
  UcxReport report;
  report.compiled_version = std::to_string(UCP_API_MAJOR) + "." + std::to_string(UCP_API_MINOR);
  report.loaded_version = ucp_get_version_string();
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  ucp_get_version(&major, &minor, &release);
  report.is_mismatched = major != UCP_API_MAJOR || minor < UCP_API_MINOR;
  Dl_info library{};
  if (dladdr(reinterpret_cast<const void*>(&ucp_get_version), &library) != 0) {
    report.library_path = library.dli_fname;
  }
  report.copies = mapped_copies();

  const ContextHandle context = SLUICE_TRY(open_context(false));
  report.resources = context_resources(context.get());
  for (const std::string& name : report.resources) {
    report.has_rdma |= starts_with_any(name, {"rc_", "dc_", "ud_", "srd", "gga_"});
    report.has_cuda |= starts_with_any(name, {"cuda_"});
    report.has_gdr_copy |= starts_with_any(name, {"gdr_copy"});
    report.has_shared_memory |= starts_with_any(name, {"posix/", "sysv/", "xpmem/"});
    report.has_cma |= starts_with_any(name, {"cma/"});
    report.has_tcp |= starts_with_any(name, {"tcp/"});
  }
  return report;
}

}  // namespace sluice::comm::ucx
