// SPDX-License-Identifier: Apache-2.0
// Where a frame's planes are coded: on the host, or on the device that has the pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/core/device.hpp"
#include "kernels/core/device_queue.hpp"
#include "kernels/core/result.hpp"
#include "kernels/pipeline/kv_tile.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "kernels/pipeline/plane_codec.hpp"
#include "kernels/pipeline/stage_list.hpp"
#include "kernels/stages/plane.hpp"

namespace sluice::kernels {

// One thread's, for one frame. What a call writes or reads on the host is done when it returns.
class PlanePlace {
 public:
  virtual ~PlanePlace() = default;
  // BF16 rows without gaps.
  virtual Status load_raw(const KvTile& rows, std::byte* to) = 0;
  virtual Status store_raw(const KvTile& rows, const std::byte* from) = 0;
  // As encode_plane() and decode_plane().
  virtual Result<PlaneSizes> encode(const Plane& plane, const KvTile& rows, FrameWriter& out) = 0;
  virtual Status decode(const Plane& plane, const PlaneBytes& coded, const KvTile& rows) = 0;
};

std::unique_ptr<PlanePlace> make_host_place(const StageList& stages, Scratch::Buffers& buffers);
// The pages are of the queue's memory; can_run_on_device(stages).
std::unique_ptr<PlanePlace> make_device_place(const StageList& stages, DeviceQueue& queue);

// Every stage's row says runs_on_cuda.
bool can_run_on_device(const StageList& stages);

// A frame's pages where its planes are coded.
class PlacedPages {
 public:
  struct From {
    std::span<const KvPages> pages;
    MemoryKind memory = MemoryKind::kHost;
    void* stream = nullptr;
    std::int64_t row_first = 0;  // rows that the frame is of: [row_first, row_last) of every layer
    std::int64_t row_last = 0;
  };
  // Pages on the host, or of a pipeline that runs on the device, stay where they are. Of others the
  // rows' blocks are copied to host memory of the scratch's queue. The queue is the scratch's if it
  // has one for the stream, else a new one. `stages` and `buffers` stay.
  static Result<PlacedPages> make(const StageList& stages, const From& from,
                                  Scratch::Buffers& buffers);

  std::span<const KvPages> pages() const { return pages_; }
  PlanePlace& place() const { return *place_; }
  bool is_on_device() const { return is_on_device_; }
  // After decoding: copies that were decoded into go back.
  Status write_back();

 private:
  Status copy_to_host(const From& from);

  std::unique_ptr<PlanePlace> place_;
  std::vector<KvPages> pages_;
  bool is_on_device_ = false;
  // Of copies only.
  struct CopiedBlock {
    std::byte* original;
    std::byte* copy;
    std::size_t bytes;
  };
  DeviceQueue* queue_ = nullptr;
  std::vector<std::vector<std::byte*>> blocks_;  // by layer; null where no row of the frame is
  std::vector<CopiedBlock> copies_;
};

}  // namespace sluice::kernels
