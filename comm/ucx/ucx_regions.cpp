// SPDX-License-Identifier: Apache-2.0
// Memory of the transport: allocated and registered here, or granted by peers.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "comm/ucx/ucx_transport_impl.hpp"

namespace sluice::comm::ucx {
namespace {

Error no_registered_memory(std::size_t bytes, ucs_status_t status) {
  return ucx_error(ErrorCode::kResourceExhausted,
                   "no " + std::to_string(bytes) + " bytes of registered memory", status);
}

// Large pages, where the system gives them for the asking: through small ones a copy of many MiB
// has a third less. For shared memory only where shmem_enabled says "advise"; refusal costs
// nothing.
void ask_for_large_pages(std::byte* data, std::size_t bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
  const auto last = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
  if (first < last) (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

bool is_seen_as_device(ucp_mem_h memory) {
  ucp_mem_attr_t attributes{};
  attributes.field_mask = UCP_MEM_ATTR_FIELD_MEM_TYPE;
  return ucp_mem_query(memory, &attributes) == UCS_OK &&
         attributes.mem_type != UCS_MEMORY_TYPE_HOST;
}

}  // namespace

Result<Region> UcxTransport::allocate(std::size_t bytes, MemoryKind kind) {
  if (bytes == 0) return make_error(ErrorCode::kInvalidArgument, "a region needs at least a byte");
  LocalRegion local =
      SLUICE_TRY(kind == MemoryKind::kHost ? allocate_host(bytes) : allocate_device(bytes));
  local.region.bytes = bytes;
  local.region.id = next_region_++;
  local.region.kind = kind;
  regions_.emplace(local.region.id, local);
  return local.region;
}

Result<UcxTransport::LocalRegion> UcxTransport::allocate_host(std::size_t bytes) {
  ucp_mem_map_params_t params{};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH |
                      UCP_MEM_MAP_PARAM_FIELD_FLAGS;
  params.address = nullptr;
  params.length = bytes;
  params.flags = UCP_MEM_MAP_ALLOCATE;  // by UCX, so that peers on this host can attach to it
  LocalRegion local;
  ucs_status_t status = ucp_mem_map(context_.get(), &params, &local.memory);
  if (status != UCS_OK) return no_registered_memory(bytes, status);
  ucp_mem_attr_t attributes{};
  attributes.field_mask = UCP_MEM_ATTR_FIELD_ADDRESS | UCP_MEM_ATTR_FIELD_LENGTH;
  status = ucp_mem_query(local.memory, &attributes);
  if (status != UCS_OK) {
    ucp_mem_unmap(context_.get(), local.memory);
    return ucx_error(ErrorCode::kInternal, "registered memory has no address", status);
  }
  local.region.data = static_cast<std::byte*>(attributes.address);
  ask_for_large_pages(local.region.data, bytes);
  // Also takes the page faults now, not in the first request.
  std::memset(local.region.data, 0, bytes);
  return local;
}

// Allocated by CUDA: only that memory can be shared with GPUs of other processes.
Result<UcxTransport::LocalRegion> UcxTransport::allocate_device(std::size_t bytes) {
  if (device_ == nullptr) device_ = SLUICE_TRY(make_cuda_device_memory());
  const std::vector<std::string> resources = context_resources(context_.get());
  if (std::none_of(resources.begin(), resources.end(),
                   [](const std::string& name) { return name.starts_with("cuda_"); })) {
    return make_error(ErrorCode::kUnsupported,
                      "this UCX has no CUDA transports: it cannot register device memory");
  }
  LocalRegion local;
  local.region.data = SLUICE_TRY(device_->allocate(bytes));
  ucp_mem_map_params_t params{};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH;
  params.address = local.region.data;
  params.length = bytes;
  const ucs_status_t status = ucp_mem_map(context_.get(), &params, &local.memory);
  if (status != UCS_OK) {
    device_->release(local.region.data);
    return no_registered_memory(bytes, status);
  }
  if (is_seen_as_device(local.memory)) return local;
  ucp_mem_unmap(context_.get(), local.memory);
  device_->release(local.region.data);
  return make_error(ErrorCode::kUnsupported, "this UCX takes device memory for host memory");
}

void UcxTransport::free_region(const LocalRegion& local) {
  ucp_mem_unmap(context_.get(), local.memory);
  if (local.region.kind == MemoryKind::kCuda) device_->release(local.region.data);
}

void UcxTransport::release(const Region& region) {
  const auto found = regions_.find(region.id);
  if (found == regions_.end()) return;
  free_region(found->second);
  regions_.erase(found);
}

Result<std::vector<std::byte>> UcxTransport::export_region(const Region& region) {
  const auto found = regions_.find(region.id);
  if (found == regions_.end()) {
    return make_error(ErrorCode::kNotFound, "only an allocated region can be exported");
  }
  void* packed = nullptr;
  std::size_t packed_bytes = 0;
  const ucs_status_t status =
      ucp_rkey_pack(context_.get(), found->second.memory, &packed, &packed_bytes);
  if (status != UCS_OK) return ucx_error(ErrorCode::kInternal, "no key for a region", status);
  const auto* first = static_cast<const std::byte*>(packed);
  RegionKey key;
  key.address = reinterpret_cast<std::uintptr_t>(found->second.region.data);
  key.bytes = found->second.region.bytes;
  key.region = found->second.region.id;
  key.kind = found->second.region.kind;
  key.packed.assign(first, first + packed_bytes);
  ucp_rkey_buffer_release(packed);
  return seal_region_key(key);
}

// Opens nothing: of many decode workers a prefill worker may use few.
Result<RemoteRegion> UcxTransport::import_region(NodeId peer, Bytes key) {
  RegionKey opened = SLUICE_TRY(open_region_key(key));
  const Connection* connection = SLUICE_TRY(usable_connection(peer));
  const std::uint32_t id = next_region_++;
  imported_[id] = {peer,          connection->serial(), opened.address,           opened.bytes,
                   opened.region, opened.kind,          std::move(opened.packed), nullptr};
  return RemoteRegion{peer, id, opened.bytes};
}

Status UcxTransport::unpack_key(ucp_ep_h endpoint, ImportedRegion& imported) {
  if (imported.key != nullptr) return {};
  ucp_rkey_h key = nullptr;
  const ucs_status_t status = ucp_ep_rkey_unpack(endpoint, imported.packed.data(), &key);
  if (status != UCS_OK) {
    return ucx_error(ErrorCode::kInvalidArgument, "a region key cannot be used", status);
  }
  imported.key = RemoteKey(key, &ucp_rkey_destroy);
  return {};
}

void UcxTransport::forget_region(const RemoteRegion& region) { imported_.erase(region.id); }

const UcxTransport::LocalRegion* UcxTransport::region_around(Bytes source) const {
  for (const auto& [id, local] : regions_) {
    const std::byte* first = local.region.data;
    if (source.data() >= first && source.data() < first + local.region.bytes &&
        source.size() <= local.region.bytes - static_cast<std::size_t>(source.data() - first)) {
      return &local;
    }
  }
  return nullptr;
}

}  // namespace sluice::comm::ucx
