// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/yaml_document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "runtime/config/nearest_name.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kDepthMax = 16;       // a cluster file needs 3
constexpr std::size_t kNodesMax = 100'000;  // ranks written out one by one for the largest cluster
constexpr std::size_t kTextBytesMax = std::size_t{4} << 20;  // of all keys and values together

// Ends the parsing from inside the library, which has no other way to stop.
struct Refusal {
  int line = 0;  // from 1
  std::string what;
};

int line_of(const YAML::Mark& mark) { return std::max(mark.line, 0) + 1; }

// Builds the tree while the library reads, so that what is too deep or too large ends at once.
class TreeBuilder final : public YAML::EventHandler {
 public:
  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (!start_) {
      start_ = mark;
      return;
    }
    // Where no value can start, the library sees an endless row of empty documents.
    throw Refusal{line_of(mark),
                  mark.pos == start_->pos
                      ? "not valid YAML: no value starts like this"
                      : "a second document starts here, but one file is one configuration"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    take(make(YamlKind::kNull, mark), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = make(YamlKind::kScalar, mark);
    node.text = value;
    take(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) throw Refusal{line_of(mark), "a value contains itself"};
    count(found->second, open_.size());  // before there is a copy
    place(found->second, YAML::NullAnchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    start(make(YamlKind::kList, mark), anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    start(make(YamlKind::kMap, mark), anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  // A list or section whose end has not come.
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool has_key = false;                       // the last entry waits for its value
    std::unordered_map<std::string, int> keys;  // and their lines
  };

  static YamlNode make(YamlKind kind, const YAML::Mark& mark) {
    YamlNode node;
    node.kind = kind;
    node.line = line_of(mark);
    return node;
  }

  void start(YamlNode node, YAML::anchor_t anchor) {
    count(node, open_.size());
    open_.push_back({std::move(node), anchor, false, {}});
  }
  void end() {
    Open ended = std::move(open_.back());
    open_.pop_back();
    place(std::move(ended.node), ended.anchor);
  }
  void take(YamlNode node, YAML::anchor_t anchor) {
    count(node, open_.size());
    place(std::move(node), anchor);
  }

  // Adds the node and all within to what the file holds; refuses what is too much.
  void count(const YamlNode& node, std::size_t depth) {
    if (depth > kDepthMax) throw Refusal{node.line, "the file is nested too deeply"};
    text_bytes_ += node.text.size();
    if (++nodes_ > kNodesMax || text_bytes_ > kTextBytesMax) {
      throw Refusal{node.line, "the file has too many values"};
    }
    for (const YamlNode& item : node.items) count(item, depth + 1);
    for (const YamlNode::Entry& entry : node.entries) {
      text_bytes_ += entry.key.size();
      count(entry.value, depth + 1);
    }
  }

  // Puts a whole node where it belongs.
  void place(YamlNode node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchored_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlKind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      add_key(parent, std::move(node));
    } else {
      YamlNode::Entry& entry = parent.node.entries.back();
      // The library gives an absent value no position of its own.
      if (node.kind == YamlKind::kNull) node.line = entry.line;
      entry.value = std::move(node);
      parent.has_key = false;
    }
  }

  static void add_key(Open& parent, YamlNode node) {
    if (node.kind != YamlKind::kScalar) throw Refusal{node.line, "a key must be a plain word"};
    const auto [same, is_new] = parent.keys.emplace(node.text, node.line);
    if (!is_new) {
      throw Refusal{node.line, "the key " + in_quotes(node.text) +
                                   " is given twice, first on line " +
                                   std::to_string(same->second)};
    }
    parent.node.entries.push_back({std::move(node.text), node.line, {}});
    parent.has_key = true;
  }

  YamlNode root_;
  std::optional<YAML::Mark> start_;  // of the document
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, YamlNode> anchored_;
  std::size_t nodes_ = 0;
  std::size_t text_bytes_ = 0;
};

}  // namespace

const char* yaml_kind_name(YamlKind kind) {
  switch (kind) {
    case YamlKind::kNull:
      return "nothing";
    case YamlKind::kScalar:
      return "a single value";
    case YamlKind::kList:
      return "a list";
    case YamlKind::kMap:
      return "a section";
  }
  return "unknown";
}

Result<YamlNode> parse_yaml(const std::string& yaml, const std::string& file_name) {
  const auto refuse = [&](int line, const std::string& what) {
    return make_error(ErrorCode::kInvalidArgument,
                      file_name + ":" + std::to_string(line) + ": " + what);
  };
  try {
    std::istringstream text(yaml);
    YAML::Parser parser(text);
    TreeBuilder builder;
    // The builder refuses a second document, so there is no third.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
    return builder.take_root();
  } catch (const Refusal& refusal) {
    return refuse(refusal.line, refusal.what);
  } catch (const YAML::Exception& exception) {
    return refuse(line_of(exception.mark), "not valid YAML: " + exception.msg);
  } catch (const std::exception& exception) {
    return refuse(1, std::string("not readable as YAML: ") + exception.what());
  }
}

}  // namespace sluice::runtime
