// SPDX-License-Identifier: Apache-2.0
// A router whose policy does what the test says, and remembers what it was shown.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "scheduler/policy.hpp"
#include "tests/runtime/router/router_placed.hpp"

namespace sluice::runtime {

// Shared by the test and its policy.
struct Script {
  std::function<scheduler::Decision()> answer = [] {
    return scheduler::Decision{.prefill_node = 1, .decode_node = 3};
  };
  std::vector<scheduler::Snapshot> shown;
  std::vector<scheduler::RequestShape> asked;
};

class ScriptedPolicy : public scheduler::Policy {
 public:
  explicit ScriptedPolicy(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  Result<scheduler::Decision> decide(const scheduler::Snapshot& snapshot,
                                     const scheduler::RequestShape& request,
                                     std::vector<scheduler::Alternative>* alternatives) override {
    script_->shown.push_back(snapshot);
    script_->asked.push_back(request);
    const scheduler::Decision decision = script_->answer();
    if (alternatives != nullptr) {
      alternatives->push_back({.prefill_node = decision.prefill_node,
                               .decode_node = decision.decode_node,
                               .level = decision.level});
    }
    return decision;
  }

 private:
  std::shared_ptr<Script> script_;
};

class ScriptedRouter : public RouterPlaced {
 protected:
  explicit ScriptedRouter(RouterOptions options = {})
      : ScriptedRouter(std::move(options), std::make_shared<Script>()) {}

  void decide(scheduler::Decision decision) {
    script->answer = [decision] { return decision; };
  }
  // As the policy saw it last.
  scheduler::WorkerState shown(comm::NodeId node) const {
    for (const auto* states : {&script->shown.back().prefill, &script->shown.back().decode}) {
      for (const auto& state : *states) {
        if (state.node == node) return state;
      }
    }
    ADD_FAILURE() << "no worker " << node;
    return {};
  }

  std::shared_ptr<Script> script;

 private:
  ScriptedRouter(RouterOptions options, std::shared_ptr<Script> own)
      : RouterPlaced({.router = std::move(options),
                      .policy = std::make_unique<ScriptedPolicy>(own),
                      .pipeline_hash = 77}),
        script(std::move(own)) {}
};

}  // namespace sluice::runtime
