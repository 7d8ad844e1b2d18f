// SPDX-License-Identifier: Apache-2.0
// Where and in which units, by Linux: Documentation/ABI/testing/sysfs-class-net-statistics and
// sysfs-class-infiniband. The latter's port_xmit_data counts words of four bytes, which are those
// of the performance counters of the InfiniBand Architecture Specification, volume 1, 16.1.3.5.
#include "comm/link/nic_counters.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

namespace sluice::comm {
namespace {

// The beginning of a file of sysfs, which is all it takes for a number. Plain calls: a stream costs
// more than the kernel's side of it.
std::optional<std::string> read_text(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::array<char, 64> text{};
  const ssize_t bytes = ::read(file, text.data(), text.size());
  ::close(file);
  if (bytes <= 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(bytes));
}

std::optional<std::uint64_t> read_count(const std::string& path) {
  const std::optional<std::string> text = read_text(path);
  if (!text) return std::nullopt;
  std::uint64_t count = 0;
  const auto [rest, status] = std::from_chars(text->data(), text->data() + text->size(), count);
  if (status != std::errc()) return std::nullopt;
  return count;
}

// `unit`: bits per second of the number that the file begins with. Virtual cards have no speed, or
// a negative one.
double read_speed(const std::string& path, double unit) {
  const std::optional<std::string> text = read_text(path);
  double number = 0.0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return std::max(number, 0.0) * unit / 8;
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos;
}

}  // namespace

Result<NicCounters> NicCounters::open(const std::string& lane, const std::filesystem::path& sysfs) {
  const Error none = make_error(ErrorCode::kNotFound, lane + " is no network card of this host");
  const std::size_t slash = lane.find('/');
  if (slash == std::string::npos) return none;
  NicCounters card;
  card.device_ = lane.substr(slash + 1);
  const std::size_t colon = card.device_.find(':');
  if (colon != std::string::npos) {
    const std::string device = card.device_.substr(0, colon);
    const std::string port = card.device_.substr(colon + 1);
    if (!is_file_name(device) || !is_file_name(port)) return none;
    const std::filesystem::path folder = sysfs / "class/infiniband" / device / "ports" / port;
    card.sent_ = folder / "counters/port_xmit_data";
    card.received_ = folder / "counters/port_rcv_data";
    card.speed_bytes_per_s_ = read_speed(folder / "rate", 1e9);  // "100 Gb/sec (4X EDR)"
    card.unit_bytes_ = 4;
  } else {
    if (lane.substr(0, slash) != "tcp" || !is_file_name(card.device_)) return none;
    const std::filesystem::path folder = sysfs / "class/net" / card.device_;
    card.sent_ = folder / "statistics/tx_bytes";
    card.received_ = folder / "statistics/rx_bytes";
    card.speed_bytes_per_s_ = read_speed(folder / "speed", 1e6);  // Mbit/s
  }
  if (!card.read()) return none;
  return card;
}

Result<NicSample> NicCounters::read() const {
  const auto sent = read_count(sent_);
  const auto received = read_count(received_);
  if (!sent || !received) {
    return make_error(ErrorCode::kUnavailable,
                      "the counters of the network card " + device_ + " cannot be read");
  }
  return NicSample{*sent * unit_bytes_, *received * unit_bytes_, speed_bytes_per_s_};
}

}  // namespace sluice::comm
