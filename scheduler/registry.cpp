// SPDX-License-Identifier: Apache-2.0
// The policies of this build: one constant table, no static constructors.
#include <string>

#include "scheduler/policies/cachegen.hpp"
#include "scheduler/policies/distserve.hpp"
#include "scheduler/policies/kv_aware.hpp"
#include "scheduler/policies/least_loaded.hpp"
#include "scheduler/policies/link_aware.hpp"
#include "scheduler/policies/power_of_two.hpp"
#include "scheduler/policies/round_robin.hpp"
#include "scheduler/policies/splitwise.hpp"
#include "scheduler/policy.hpp"

namespace sluice::scheduler {
namespace {

constexpr PolicyRow kPolicies[] = {
    {"cachegen", create_cachegen},       {"distserve", create_distserve},
    {"kv_aware", create_kv_aware},       {"least_loaded", create_least_loaded},
    {"link_aware", create_link_aware},   {"power_of_two", create_power_of_two},
    {"round_robin", create_round_robin}, {"splitwise", create_splitwise},
};

}  // namespace

std::span<const PolicyRow> policy_table() { return kPolicies; }

Result<std::unique_ptr<Policy>> create_policy(std::string_view name, const PolicyOptions& options) {
  std::string names;
  for (const PolicyRow& row : kPolicies) {
    if (row.name == name) return row.create(options);
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return make_error(ErrorCode::kNotFound, "there is no scheduling policy \"" + std::string(name) +
                                              "\"; there are " + names);
}

}  // namespace sluice::scheduler
