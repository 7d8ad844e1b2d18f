// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/config.hpp"

#include <algorithm>
#include <fstream>

#include "kernels/core/bytes.hpp"
#include "runtime/config/config_schema.hpp"
#include "runtime/config/nearest_name.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {
namespace {

// A cluster file of thousands of ranks is far below this.
constexpr std::uintmax_t kFileBytesMax = 1 << 20;

Error invalid(const std::string& file_name, int line, const std::string& what) {
  return make_error(ErrorCode::kInvalidArgument,
                    file_name + ":" + std::to_string(line) + ": " + what);
}

template <class Row>
std::vector<std::string_view> names_of(std::span<const Row> rows) {
  std::vector<std::string_view> names;
  for (const Row& row : rows) names.push_back(row.name);
  return names;
}

// The section that has `key`, for a key written in the wrong place; empty when none has.
std::string_view home_of(std::string_view key) {
  for (const SectionRow& section : config_schema()) {
    for (const KeyRow& row : section.keys) {
      if (row.name == key) return section.name;
    }
  }
  return {};
}

std::string unknown_key(const std::string& key, std::string_view section,
                        std::span<const std::string_view> valid) {
  std::string text = section.empty() ? "unknown section " : "unknown key ";
  text += in_quotes(key);
  if (!section.empty()) text += " in " + in_quotes(section);
  text += "; ";
  if (nearest_name(key, valid).empty()) {
    if (const std::string_view home = home_of(key); !home.empty()) {
      return text + "it belongs in " + in_quotes(home);
    }
  }
  return text + suggest_name(key, valid);
}

Status read_section(const SectionRow& section, const YamlNode& node, const std::string& file_name,
                    ClusterConfig& config) {
  if (node.kind == YamlKind::kNull) return {};
  const YamlNode* keys = &node;
  YamlNode written_out;
  if (node.kind == YamlKind::kScalar && !section.short_for.empty()) {
    written_out = {YamlKind::kMap, node.line, {}, {}, {}};
    written_out.entries.push_back({std::string(section.short_for), node.line, node});
    keys = &written_out;
  }
  if (keys->kind != YamlKind::kMap) {
    return invalid(
        file_name, node.line,
        in_quotes(section.name) + " must be a section of keys, not " + yaml_kind_name(node.kind));
  }
  for (const YamlNode::Entry& entry : keys->entries) {
    const auto row = std::find_if(section.keys.begin(), section.keys.end(),
                                  [&](const KeyRow& key) { return key.name == entry.key; });
    if (row == section.keys.end()) {
      const auto valid = names_of(std::span(section.keys));
      return invalid(file_name, entry.line, unknown_key(entry.key, section.name, valid));
    }
    int line = entry.value.line;
    if (const Status status = row->read(entry.value, config, line); !status) {
      const std::string key = std::string(section.name) + "." + entry.key;
      return invalid(file_name, line, in_quotes(key) + " " + status.error().message);
    }
  }
  return {};
}

Status check_ranks(const ClusterConfig& config, int line, const std::string& file_name) {
  const auto count = [&](Role role) {
    return std::count(config.ranks.begin(), config.ranks.end(), role);
  };
  if (config.ranks.empty()) {
    return invalid(file_name, line,
                   "\"cluster.ranks\" is missing: it lists each rank's role, such as "
                   "[router, prefill, decode]");
  }
  if (const auto routers = count(Role::kRouter); routers != 1) {
    return invalid(file_name, line,
                   "\"cluster.ranks\" must have exactly one router, but has " +
                       (routers == 0 ? std::string("none") : std::to_string(routers)));
  }
  for (const Role role : {Role::kPrefill, Role::kDecode}) {
    if (count(role) == 0) {
      return invalid(file_name, line,
                     std::string("\"cluster.ranks\" must have at least one ") + role_name(role) +
                         " worker, but has none");
    }
  }
  return {};
}

// Where a complaint about a key points: the key, else its section, else the first line.
int line_of(const YamlNode& root, std::string_view section_name, std::string_view key_name) {
  for (const YamlNode::Entry& section : root.entries) {
    if (section.key != section_name) continue;
    for (const YamlNode::Entry& key : section.value.entries) {
      if (key.key == key_name) return key.line;
    }
    return section.line;
  }
  return 1;
}

// The line of the uplink number `index`, which has been read from this file.
int uplink_line(const YamlNode& root, std::size_t index) {
  for (const YamlNode::Entry& section : root.entries) {
    if (section.key != "topology") continue;
    for (const YamlNode::Entry& key : section.value.entries) {
      if (index < key.value.items.size()) return key.value.items[index].line;
    }
  }
  return 1;
}

Status check_uplinks(const ClusterConfig& config, const YamlNode& root,
                     const std::string& file_name) {
  const std::size_t ranks = config.ranks.size();
  for (std::size_t i = 0; i < config.topology.uplinks.size(); ++i) {
    const UplinkConfig& uplink = config.topology.uplinks[i];
    const std::string who = "\"topology.uplinks\": " + in_quotes(uplink.name);
    if (uplink.ranks.back() >= ranks) {
      return invalid(file_name, uplink_line(root, i),
                     who + " has rank " + std::to_string(uplink.ranks.back()) +
                         ", but \"cluster.ranks\" has ranks 0 to " + std::to_string(ranks - 1));
    }
    if (uplink.ranks.size() == ranks) {
      return invalid(file_name, uplink_line(root, i),
                     who + " has all ranks, so that it leads to none");
    }
  }
  return {};
}

Status check_ports(const ClusterConfig& config, const YamlNode& root,
                   const std::string& file_name) {
  const RouterConfig& router = config.router;
  if (router.join_port == 0 || router.join_port != router.port) return {};
  return invalid(file_name, line_of(root, "router", "join_port"),
                 "\"router.join_port\" is " + std::to_string(router.join_port) +
                     ", but that is \"router.port\" already; give it another, or 0 for none");
}

}  // namespace

const char* role_name(Role role) {
  switch (role) {
    case Role::kRouter:
      return "router";
    case Role::kPrefill:
      return "prefill";
    case Role::kDecode:
      return "decode";
  }
  return "unknown";
}

Result<ClusterConfig> parse_config(const std::string& yaml, const std::string& file_name) {
  if (yaml.size() > kFileBytesMax) {
    return invalid(file_name, 1, "the file is larger than 1 MiB, so it is not a cluster file");
  }
  const YamlNode root = SLUICE_TRY(parse_yaml(yaml, file_name));
  ClusterConfig config;
  if (root.kind != YamlKind::kMap && root.kind != YamlKind::kNull) {
    return invalid(
        file_name, root.line,
        std::string("the file must be sections of keys, not ") + yaml_kind_name(root.kind));
  }
  const std::span<const SectionRow> schema = config_schema();
  for (const YamlNode::Entry& entry : root.entries) {
    const auto section = std::find_if(schema.begin(), schema.end(),
                                      [&](const SectionRow& row) { return row.name == entry.key; });
    if (section == schema.end()) {
      const auto valid = names_of(schema);
      return invalid(file_name, entry.line, unknown_key(entry.key, "", valid));
    }
    SLUICE_TRY(read_section(*section, entry.value, file_name, config));
  }
  SLUICE_TRY(check_ranks(config, line_of(root, "cluster", "ranks"), file_name));
  SLUICE_TRY(check_uplinks(config, root, file_name));
  SLUICE_TRY(check_ports(config, root, file_name));
  return config;
}

Result<ClusterConfig> load_config(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    return make_error(ErrorCode::kNotFound, "there is no configuration file " + name);
  }
  if (std::filesystem::is_directory(status)) {
    return make_error(ErrorCode::kInvalidArgument,
                      name + " is a folder, but a configuration is one YAML file");
  }
  std::ifstream file(path, std::ios::binary);
  std::string yaml(kFileBytesMax + 1, '\0');
  file.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  if (!file.eof() && !file) {
    return make_error(ErrorCode::kNotFound, "cannot read the configuration file " + name);
  }
  yaml.resize(static_cast<std::size_t>(file.gcount()));
  return parse_config(yaml, name);
}

// FNV-1a (Fowler, Noll, Vo; 64 bits). Left out on purpose: what may differ by machine (devices,
// threads, memory, the model's path; the model itself is compared by its fingerprint) and what one
// rank alone uses (the router's addresses, the policy, the uplinks).
std::uint64_t config_hash(const ClusterConfig& config) {
  ByteWriter agreed;
  agreed.put_array(std::span(config.ranks));
  agreed.put(config.model.context_tokens);
  agreed.put_string(config.transport.backend);
  agreed.put(config.scheduler.prefix_block_tokens);
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::byte byte : agreed.bytes()) {
    hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3U;
  }
  return hash;
}

}  // namespace sluice::runtime
