// SPDX-License-Identifier: Apache-2.0
#include "launch/doctor_checks.hpp"

#include <fmt/format.h>

namespace sluice::launch {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20;
// One rank with the defaults of a cluster file: caches and arenas, weights of a small model.
constexpr std::uint64_t kMemoryWanted = 4096 * kMib;
// The arenas of local.yaml, which UCX may place in shared memory, and its own queues.
constexpr std::uint64_t kSharedWanted = 1100 * kMib;
// The arena and the staging memory of local.yaml, which an RDMA network card must lock.
constexpr std::uint64_t kLockWanted = 1024 * kMib;

std::string gib(std::uint64_t bytes) {
  if (bytes < 1024 * kMib) return fmt::format("{} MiB", bytes / kMib);
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(1024 * kMib));
}

std::string version(int driver) { return fmt::format("{}.{}", driver / 1000, driver % 1000 / 10); }

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::vector<Finding> check_cpu(const CpuFacts& cpu, int cores) {
  const std::string group = "Processor";
  std::vector<Finding> findings;
  findings.push_back({group, "model", Mark::kOk, cpu.model, "", ""});
  findings.push_back({group, "cores", cores > 1 ? Mark::kOk : Mark::kNote,
                      fmt::format("{} usable by this process", cores),
                      cores > 1 ? "" : "the workers of one machine take turns", ""});
  const std::string other_machine = "another machine; nothing to install";
  const auto feature = [&](const char* name, bool has, const char* lost) {
    findings.push_back({group, name, has ? Mark::kOk : Mark::kMissing, has ? "yes" : "no",
                        has ? "" : lost, has ? "" : other_machine});
  };
  feature("AVX2 and FMA", cpu.avx2, "most of the speed: kernels run in their portable form");
  feature("AVX-512", cpu.avx512, "some speed of decode; AVX2 is used");
  feature("AVX512-BF16", cpu.avx512_bf16, "prefill in BF16, unless there is AMX");
  feature("AMX-BF16", cpu.amx_bf16, "the fastest prefill on a processor");
  const bool is_bf16 = cpu.avx512_bf16 || cpu.amx_bf16;
  findings.push_back({group, "prefill computes in", is_bf16 ? Mark::kOk : Mark::kNote,
                      is_bf16 ? (cpu.amx_bf16 ? "BF16 (AMX)" : "BF16 (AVX512-BF16)") : "FP32",
                      is_bf16 ? "" : "about half of the prefill speed",
                      is_bf16 ? "" : "a processor with AMX or AVX512-BF16, or a GPU"});
  return findings;
}

std::vector<Finding> check_memory(const MemoryFacts& memory) {
  const std::string group = "Memory";
  std::vector<Finding> findings;
  if (!memory.total_bytes) {
    findings.push_back({group, "memory", Mark::kNote, "not known (no /proc/meminfo)", "", ""});
  } else {
    const bool limited = memory.cgroup_max_bytes && *memory.cgroup_max_bytes < *memory.total_bytes;
    const std::uint64_t usable = limited ? *memory.cgroup_max_bytes : *memory.total_bytes;
    std::string found = gib(*memory.total_bytes);
    if (memory.available_bytes) found += ", " + gib(*memory.available_bytes) + " available";
    if (limited) found += ", limited to " + gib(usable) + " by the container";
    const bool is_enough = usable >= kMemoryWanted;
    findings.push_back({group, "memory", is_enough ? Mark::kOk : Mark::kNote, found,
                        is_enough ? "" : "the default sizes of a cluster file may not fit",
                        is_enough ? "" : "smaller kv_memory and arena_memory in the cluster file"});
  }
  if (memory.shared_bytes) {
    const bool is_enough = *memory.shared_bytes >= kSharedWanted;
    findings.push_back(
        {group, "shared memory", is_enough ? Mark::kOk : Mark::kMissing,
         gib(*memory.shared_bytes) + " in /dev/shm",
         is_enough ? "" : "room for the default arenas of workers on one machine",
         is_enough ? "" : "mount -o remount,size=2G /dev/shm, or docker run --shm-size=2g"});
  } else {
    findings.push_back({group, "shared memory", Mark::kMissing, "no /dev/shm",
                        "the fast path between workers on one machine",
                        "mount -t tmpfs tmpfs /dev/shm"});
  }
  if (!memory.shared_pages.empty()) {
    const bool is_off = memory.shared_pages == "never" || memory.shared_pages == "deny";
    findings.push_back(
        {group, "large shared pages", is_off ? Mark::kNote : Mark::kOk, memory.shared_pages,
         is_off ? "up to a third of the rate of large copies between workers on one machine" : "",
         is_off ? "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled" : ""});
  }
  return findings;
}

std::vector<Finding> check_cuda(const CudaProbe& cuda, bool built_with_cuda) {
  const std::string group = "Accelerator";
  std::vector<Finding> findings;
  const std::string lost = "prefill and decode on a GPU; the processor is used";
  if (cuda.has_driver) {
    findings.push_back(
        {group, "CUDA driver", Mark::kOk, "for CUDA " + version(cuda.driver_version), "", ""});
  } else {
    findings.push_back({group, "CUDA driver", Mark::kMissing, cuda.failure, lost,
                        "a machine with an NVIDIA GPU and its driver"});
  }
  if (cuda.has_driver && cuda.devices.empty()) {
    findings.push_back({group, "GPU", Mark::kMissing, cuda.failure, lost,
                        "a GPU given to this machine or container (docker run --gpus all)"});
  }
  for (std::size_t i = 0; i < cuda.devices.size(); ++i) {
    const CudaDevice& device = cuda.devices[i];
    findings.push_back({group, fmt::format("GPU {}", i), Mark::kOk,
                        fmt::format("{}, {}, sm_{}{}", device.name, gib(device.memory_bytes),
                                    device.capability_major, device.capability_minor),
                        "", ""});
  }
  const bool is_unused = !built_with_cuda && !cuda.devices.empty();
  findings.push_back({group, "this build",
                      built_with_cuda ? Mark::kOk : (is_unused ? Mark::kMissing : Mark::kNote),
                      built_with_cuda ? "with CUDA" : "without CUDA",
                      built_with_cuda ? "" : (is_unused ? lost : "nothing on this machine"),
                      built_with_cuda ? "" : "launch/setup --cuda, then build the preset cuda"});
  return findings;
}

namespace {

Finding check_ucx_copy(const UcxFacts& ucx) {
  const std::string group = "Network";
  const std::string lost = "every transport between processes";
  if (!ucx.is_built_in) {
    return {group,         "UCX",
            Mark::kBroken, "this build has no UCX",
            lost,          "install libucx-dev (1.13.1 or newer) and build again"};
  }
  if (!ucx.failure.empty()) {
    return {group,       "UCX", Mark::kBroken,
            ucx.failure, lost,  "unset the UCX_ variables of the environment, or install UCX anew"};
  }
  if (ucx.copies.size() > 1) {
    return {group,
            "UCX",
            Mark::kBroken,
            "several copies are loaded: " + join(ucx.copies),
            "correctness: two copies in one process corrupt each other",
            "build against one of them only (SLUICE_UCX_DIR), and remove the other from the "
            "library path"};
  }
  if (ucx.is_mismatched) {
    return {
        group,
        "UCX",
        Mark::kBroken,
        fmt::format("{} is loaded, but this build is for {}", ucx.version, ucx.compiled_version),
        "correctness: the library and the program disagree",
        "build again, or put the right library first in the library path"};
  }
  return {group, "UCX", Mark::kOk, ucx.version + ", " + ucx.path, "", ""};
}

std::vector<Finding> check_ucx(const UcxFacts& ucx, const CudaProbe& cuda) {
  const std::string group = "Network";
  std::vector<Finding> findings = {check_ucx_copy(ucx)};
  if (!ucx.is_built_in || !ucx.failure.empty()) return findings;
  findings.push_back({group, "UCX transports", ucx.resources.empty() ? Mark::kBroken : Mark::kOk,
                      ucx.resources.empty() ? "none" : join(ucx.resources),
                      ucx.resources.empty() ? "every transport between processes" : "",
                      ucx.resources.empty() ? "unset UCX_TLS and UCX_NET_DEVICES" : ""});
  if (!ucx.has_shared_memory) {
    findings.push_back({group, "UCX shared memory", Mark::kMissing, "no",
                        "the fast path between workers on one machine",
                        "a /dev/shm, and UCX_TLS that does not exclude it"});
  }
  if (!cuda.devices.empty() && !ucx.has_cuda) {
    findings.push_back({group, "UCX with CUDA", Mark::kMissing, "no",
                        "sending straight from GPU memory",
                        "a UCX built with CUDA (launch/setup --ucx-wheel)"});
  }
  return findings;
}

Finding check_gpudirect(const NetworkFacts& network, const CudaProbe& cuda) {
  const std::string group = "Network";
  const std::string name = "GPUDirect RDMA";
  if (cuda.devices.empty() || network.infiniband.empty()) {
    return {group,       name,
            Mark::kNote, "needs a GPU and an RDMA network card, and this machine has not both",
            "",          ""};
  }
  if (network.has_peermem) return {group, name, Mark::kOk, "by nvidia_peermem", "", ""};
  if (cuda.devices.front().dmabuf) return {group, name, Mark::kOk, "by dma-buf", "", ""};
  return {group,
          name,
          Mark::kMissing,
          "neither nvidia_peermem nor dma-buf",
          "writing from GPU to GPU without a copy in host memory",
          "modprobe nvidia_peermem"};
}

Finding check_lock(const NetworkFacts& network, const MemoryFacts& memory) {
  const std::string group = "Network";
  const std::string name = "memory-lock limit";
  if (!memory.lock_bytes) return {group, name, Mark::kOk, "unlimited", "", ""};
  const std::string found = gib(*memory.lock_bytes);
  if (*memory.lock_bytes >= kLockWanted) return {group, name, Mark::kOk, found, "", ""};
  const std::string remedy = "ulimit -l unlimited, or memlock in /etc/security/limits.conf";
  if (network.infiniband.empty()) {
    return {group, name, Mark::kNote, found, "nothing here: only RDMA network cards need more",
            remedy};
  }
  return {group,
          name,
          Mark::kMissing,
          found,
          "RDMA: the arenas cannot be registered with the network card",
          remedy};
}

}  // namespace

std::vector<Finding> check_network(const NetworkFacts& network, const CudaProbe& cuda,
                                   const MemoryFacts& memory) {
  const std::string group = "Network";
  std::vector<Finding> findings = check_ucx(network.ucx, cuda);
  if (network.infiniband.empty()) {
    findings.push_back({group, "RDMA network card", Mark::kMissing, "none",
                        "RDMA between machines; TCP is used, and shared memory on one machine",
                        "an InfiniBand or RoCE card and its driver (rdma-core)"});
  }
  for (const InfinibandPort& port : network.infiniband) {
    const bool is_active = port.state.find("ACTIVE") != std::string::npos;
    findings.push_back({group, port.name, is_active ? Mark::kOk : Mark::kMissing,
                        port.layer + ", " + port.state, is_active ? "" : "this port",
                        is_active ? "" : "plug in and configure the port (ibstat, rdma link)"});
  }
  findings.push_back(check_lock(network, memory));
  findings.push_back(check_gpudirect(network, cuda));
  if (!cuda.devices.empty()) {
    findings.push_back({group, "GDRCopy", network.has_gdrdrv ? Mark::kOk : Mark::kMissing,
                        network.has_gdrdrv ? "gdrdrv is loaded" : "gdrdrv is not loaded",
                        network.has_gdrdrv ? "" : "the fastest small copies to and from a GPU",
                        network.has_gdrdrv ? "" : "install GDRCopy, then modprobe gdrdrv"});
  }
  return findings;
}

std::vector<Finding> check_launch(const LaunchFacts& launch) {
  const std::string group = "Launch";
  if (!launch.mpirun.empty()) {
    const std::string version =
        launch.mpi_version.empty() ? "of unknown version" : launch.mpi_version;
    const bool is_known = !launch.mpi_version.empty();
    return {{group, "mpirun", is_known ? Mark::kOk : Mark::kNote, version + ", " + launch.mpirun,
             is_known ? "" : "nothing, if it works: only Open MPI is tested", ""}};
  }
  if (launch.has_srun) {
    return {{group, "mpirun", Mark::kMissing, "none, but there is srun",
             "starting ranks without Slurm", "apt-get install openmpi-bin"}};
  }
  return {{group, "mpirun", Mark::kBroken, "neither mpirun nor srun is in the path",
           "starting a cluster's ranks (sluice run --local works)", "apt-get install openmpi-bin"}};
}

std::vector<Finding> check_model(const ModelFacts& model) {
  const std::string group = "Model";
  const std::string name = "default model";
  const std::string lost = "the model that a configuration calls \"default\"";
  const std::string remedy = "launch/setup";
  if (!model.is_there) {
    return {{group, name, Mark::kMissing, "not at " + model.path, lost, remedy}};
  }
  if (model.sha256_expected.empty()) {
    return {{group, name, Mark::kNote, model.path + ", hash not checked",
             "nothing; this build does not know the expected hash", ""}};
  }
  if (model.sha256 != model.sha256_expected) {
    return {{group, name, Mark::kMissing,
             fmt::format("{} is damaged: its SHA-256 is {}", model.path, model.sha256), lost,
             remedy}};
  }
  return {{group, name, Mark::kOk,
           fmt::format("{}, SHA-256 {}... as expected", model.path, model.sha256.substr(0, 12)), "",
           ""}};
}

}  // namespace sluice::launch
