// SPDX-License-Identifier: Apache-2.0
// The world's memory and what is written into it: one write after the other over each link, in
// chunks, which leave, fly and land.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "comm/sim/world.hpp"

namespace sluice::comm::sim {

Result<Region> SimWorld::allocate(Token self, std::size_t bytes) {
  const Lock lock(mutex_);
  Process* process = find(self);
  if (process == nullptr) {
    return make_error(ErrorCode::kUnavailable, "this simulated process has been killed");
  }
  if (bytes == 0) return make_error(ErrorCode::kInvalidArgument, "a region needs at least a byte");
  auto memory = std::make_shared<Memory>();
  memory->data.reset(new (std::nothrow) std::byte[bytes]());
  memory->bytes = bytes;
  if (memory->data == nullptr) {
    return make_error(ErrorCode::kResourceExhausted,
                      "no memory of " + std::to_string(bytes) + " bytes for a region");
  }
  const Region region{memory->data.get(), bytes, process->next_region++, MemoryKind::kHost};
  process->regions[region.id] = std::move(memory);
  return region;
}

void SimWorld::release(Token self, std::uint32_t region) {
  const Lock lock(mutex_);
  const auto found = processes_.find(self);
  if (found != processes_.end()) found->second.regions.erase(region);
}

Result<std::size_t> SimWorld::region_bytes(Token self, std::uint32_t region) const {
  const Lock lock(mutex_);
  if (const Process* process = find(self)) {
    const auto found = process->regions.find(region);
    if (found != process->regions.end()) return found->second->bytes;
  }
  return make_error(ErrorCode::kNotFound, "only an allocated region can be exported");
}

Result<RemoteRegion> SimWorld::import_region(Token self, NodeId peer, Token owner,
                                             const Region& region) {
  const Lock lock(mutex_);
  const Connection connection = SLUICE_TRY(usable_connection(self, peer));
  if (connection.token != owner) {
    return make_error(ErrorCode::kInvalidArgument,
                      "this is not the key of a region of peer " + std::to_string(peer));
  }
  Process& process = *find(self);
  const std::uint32_t id = process.next_region++;
  process.imported[id] = {peer, connection.serial, region.id, region.bytes};
  return RemoteRegion{peer, id, region.bytes};
}

void SimWorld::forget_region(Token self, std::uint32_t imported) {
  const Lock lock(mutex_);
  if (Process* process = find(self)) process->imported.erase(imported);
}

Status SimWorld::write(Token self, const RemoteRegion& target, std::size_t offset_bytes,
                       Bytes source, OperationId operation) {
  const Lock lock(mutex_);
  Process* process = find(self);
  if (process == nullptr) {
    return make_error(ErrorCode::kUnavailable, "this simulated process has been killed");
  }
  const auto found = process->imported.find(target.id);
  if (found == process->imported.end()) {
    return make_error(ErrorCode::kInvalidArgument, "a write to a region that was not imported");
  }
  const Imported imported = found->second;
  if (offset_bytes > imported.bytes || source.size() > imported.bytes - offset_bytes) {
    return make_error(ErrorCode::kInvalidArgument, "a write of " + std::to_string(source.size()) +
                                                       " bytes at " + std::to_string(offset_bytes) +
                                                       " leaves its region of " +
                                                       std::to_string(imported.bytes) + " bytes");
  }
  const Connection connection = SLUICE_TRY(usable_connection(self, imported.peer));
  if (connection.serial != imported.connection) {
    return make_error(ErrorCode::kUnavailable,
                      "a region of peer " + std::to_string(imported.peer) + " is gone");
  }
  if (observer_) observer_({Posted::Kind::kWrite, process->self, imported.peer, 0, source});
  BulkItem item;
  item.serial = post(*process, imported.peer, connection, CompletionKind::kWriteDone, operation);
  item.region = imported.id;
  item.offset_bytes = offset_bytes;
  item.source = source;
  if (!source.empty() && random_.chance(options_.corrupt_write_chance)) {
    item.flipped = random_.below(source.size());
  }
  queue_bulk(self, connection.token, std::move(item));
  return {};
}

Status SimWorld::flush(Token self, NodeId peer, OperationId operation) {
  const Lock lock(mutex_);
  const Connection connection = SLUICE_TRY(usable_connection(self, peer));
  Process& process = *find(self);
  if (observer_) observer_({Posted::Kind::kFlush, process.self, peer, 0, {}});
  BulkItem item;
  item.serial = post(process, peer, connection, CompletionKind::kFlushDone, operation);
  item.is_flush = true;
  queue_bulk(self, connection.token, std::move(item));
  return {};
}

void SimWorld::queue_bulk(Token from, Token to, BulkItem item) {
  BulkLane& lane = lanes_[{from, to}];
  lane.items.push_back(std::move(item));
  if (!lane.is_running) start_next({from, to});
}

void SimWorld::start_next(TokenPair pair) {
  BulkLane& lane = lanes_[pair];
  lane.is_running = false;
  Process* source = find(pair.first);
  while (source != nullptr && !lane.items.empty()) {
    const BulkItem& item = lane.items.front();
    const auto pending = source->pending.find(item.serial);
    if (pending == source->pending.end()) {  // closed, or its target is lost
      lane.items.pop_front();
      continue;
    }
    const NodeId peer = pending->second.peer;
    if (item.is_flush) {
      start_flush(pair, item.serial);
      lane.items.pop_front();
      continue;
    }
    const std::size_t bytes = std::min(kChunkBytes, item.source.size() - item.sent_bytes);
    lane.is_running = true;
    carry({source->self, peer}, take_link_ns(source->self, peer, bytes),
          [this, pair, serial = item.serial, bytes] { chunk_left(pair, serial, bytes); });
    return;
  }
}

// When a chunk that wants to leave now has left. The ports go to whoever asks first, and each link
// asks for one chunk at a time: they share a port evenly.
std::int64_t SimWorld::take_link_ns(NodeId from, NodeId to, std::size_t bytes) {
  const auto took_ns = [&](double bytes_per_s) {
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(bytes) * 1e9 / bytes_per_s));
  };
  Port& out = ports_[from];
  Port& in = ports_[to];
  std::int64_t start_ns = now_ns_;
  if (out.bytes_per_s > 0) start_ns = std::max(start_ns, out.out_free_ns);
  if (in.bytes_per_s > 0) start_ns = std::max(start_ns, in.in_free_ns);
  std::int64_t end_ns = start_ns + took_ns(link(from, to).bytes_per_s);
  if (out.bytes_per_s > 0) {
    out.out_free_ns = start_ns + took_ns(out.bytes_per_s);
    end_ns = std::max(end_ns, out.out_free_ns);
  }
  if (in.bytes_per_s > 0) {
    in.in_free_ns = start_ns + took_ns(in.bytes_per_s);
    end_ns = std::max(end_ns, in.in_free_ns);
  }
  return end_ns;
}

void SimWorld::chunk_left(TokenPair pair, std::uint64_t serial, std::size_t chunk_bytes) {
  BulkLane& lane = lanes_[pair];
  Process* source = find(pair.first);
  const bool is_given_up = source == nullptr || lane.items.empty() ||
                           lane.items.front().serial != serial || !source->pending.contains(serial);
  if (is_given_up) return start_next(pair);
  BulkItem& item = lane.items.front();
  const NodeId peer = source->pending.at(serial).peer;
  // Taken from the source only now: one that is reused before kWriteDone shows as wrong bytes.
  const Bytes chunk = item.source.subspan(item.sent_bytes, chunk_bytes);
  std::vector<std::byte> bytes(chunk.begin(), chunk.end());
  if (item.flipped && *item.flipped >= item.sent_bytes &&
      *item.flipped < item.sent_bytes + chunk_bytes) {
    bytes[*item.flipped - item.sent_bytes] ^= static_cast<std::byte>(random_.between(1, 255));
    ++corrupted_writes_;
  }
  const std::int64_t land_ns = now_ns_ + flight_ns(source->self, peer);
  lane.last_land_ns = std::max(lane.last_land_ns, land_ns);
  carry({source->self, peer}, land_ns,
        [this, pair, region = item.region, offset = item.offset_bytes + item.sent_bytes,
         bytes = std::move(bytes)] { land(pair, region, offset, bytes); });
  item.sent_bytes += chunk_bytes;
  if (item.sent_bytes == item.source.size()) {
    lane.items.pop_front();
    complete(*source, serial, {});
  }
  start_next(pair);
}

void SimWorld::land(TokenPair pair, std::uint32_t region, std::size_t offset_bytes,
                    const std::vector<std::byte>& bytes) {
  Process* target = find(pair.second);
  const Process& source = processes_.at(pair.first);
  if (target == nullptr || bytes.empty() || !still_arrives(source, *target)) return;
  const auto found = target->regions.find(region);
  if (found == target->regions.end()) return;  // released
  std::memcpy(found->second->data.get() + offset_bytes, bytes.data(), bytes.size());
  landed_bytes_[{source.self, target->self}] += bytes.size();
}

// Reaches the target after the last byte before it, and comes back.
void SimWorld::start_flush(TokenPair pair, std::uint64_t serial) {
  const NodePair nodes{find(pair.first)->self, find(pair.first)->pending.at(serial).peer};
  const std::int64_t there_ns =
      std::max(now_ns_ + flight_ns(nodes.first, nodes.second), lanes_[pair].last_land_ns);
  carry(nodes, there_ns, [this, pair, nodes, serial] {
    if (find(pair.second) == nullptr) return;  // the loss will be its end
    carry(nodes, now_ns_ + flight_ns(nodes.second, nodes.first), [this, pair, serial] {
      if (Process* source = find(pair.first)) complete(*source, serial, {});
    });
  });
}

std::uint64_t SimWorld::landed_bytes(NodeId from, NodeId to) const {
  const Lock lock(mutex_);
  const auto found = landed_bytes_.find({from, to});
  return found == landed_bytes_.end() ? 0 : found->second;
}

std::uint64_t SimWorld::corrupted_writes() const {
  const Lock lock(mutex_);
  return corrupted_writes_;
}

}  // namespace sluice::comm::sim
