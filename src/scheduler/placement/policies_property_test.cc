// Every policy against a model that counts tasks one by one.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "scheduler/placement_policies.h"

namespace millrace::scheduler {
namespace {

struct Task {
  Demand demand;
  std::uint32_t devices = 0;
};

/// A node as what it had and what runs there; everything is added up anew each time.
struct NaiveNode {
  std::int64_t cpu_milli = 0, memory_mib = 0;
  int devices = 0;
  std::vector<Task> tasks;

  std::int64_t device_used(int device) const {
    std::int64_t used = 0;
    for (const auto& task : tasks)
      used += ((task.devices >> device) & 1U) != 0 ? task.demand.accelerator_milli : 0;
    return used;
  }
  std::int64_t cpu_used() const {
    return std::accumulate(tasks.begin(), tasks.end(), std::int64_t{0},
                           [](auto sum, auto& task) { return sum + task.demand.cpu_milli; });
  }
  std::int64_t memory_used() const {
    return std::accumulate(tasks.begin(), tasks.end(), std::int64_t{0},
                           [](auto sum, auto& task) { return sum + task.demand.memory_mib; });
  }
  bool has_room(const Demand& demand) const {
    int able = 0;
    for (int i = 0; i < devices; ++i) able += device_used(i) + demand.accelerator_milli <= 1000 ? 1 : 0;
    return cpu_used() + demand.cpu_milli <= cpu_milli && memory_used() + demand.memory_mib <= memory_mib &&
           able >= demand.accelerators;
  }
  bool within_capacity() const {
    for (int i = 0; i < devices; ++i) {
      if (device_used(i) > 1000) return false;
    }
    return cpu_used() <= cpu_milli && memory_used() <= memory_mib;
  }
};

NodeState state_of(const NaiveNode& naive) {
  NodeState node{
      .accelerators = naive.devices, .cpu_milli_free = naive.cpu_milli, .memory_mib_free = naive.memory_mib};
  std::fill_n(node.device_milli_free.begin(), naive.devices, std::int16_t{1000});
  return node;
}

Demand any_demand() {
  Demand demand;
  demand.cpu_milli = *rc::gen::inRange(0, 20) * 1000;
  demand.memory_mib = *rc::gen::inRange(0, 10);
  demand.accelerators = *rc::gen::element(0, 1, 1, 1, 2, 3, 4, 8, 16);
  if (demand.accelerators == 1) demand.accelerator_milli = *rc::gen::element(50, 190, 300, 500, 810, 1000);
  return demand;
}

/// The place that wins, checked against the model on every node.
void place(PlacementPolicy& policy, std::vector<NodeState>& nodes, std::vector<NaiveNode>& naive,
           const Demand& demand) {
  std::optional<Fit> best;
  std::size_t at = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto fit = policy.score(nodes[i], demand);
    RC_ASSERT(fit.has_value() == naive[i].has_room(demand));
    if (!fit) continue;
    RC_ASSERT(std::popcount(fit->devices) == demand.accelerators);
    RC_ASSERT((fit->devices >> naive[i].devices) == 0U);
    if (policy.repeatable()) {
      const auto again = policy.score(nodes[i], demand);
      RC_ASSERT(again->score == fit->score);
      RC_ASSERT(again->devices == fit->devices);
    }
    if (!best || fit->score < best->score) {
      best = fit;
      at = i;
    }
  }
  if (!best) return;
  take(nodes[at], demand, best->devices);
  nodes[at].sizes_held |= size_bit(demand);
  naive[at].tasks.push_back({demand, best->devices});
  RC_ASSERT(naive[at].within_capacity());
}

void check_policy(PlacementKind kind) {
  const auto policy = make_placement(kind, *rc::gen::arbitrary<std::uint64_t>());
  std::vector<NaiveNode> naive(*rc::gen::inRange<std::size_t>(1, 5));
  std::vector<NodeState> nodes;
  for (auto& node : naive) {
    node = {.cpu_milli = *rc::gen::inRange(0, 130) * 1000,
            .memory_mib = *rc::gen::inRange(0, 100),
            .devices = *rc::gen::inRange(0, kDevicesMax + 1),
            .tasks = {}};
    nodes.push_back(state_of(node));
  }
  std::vector<TypicalDemand> typical(*rc::gen::inRange<std::size_t>(0, 5));
  for (auto& one : typical) {
    one.demand = any_demand();
    one.weight = *rc::gen::inRange(0, 100);
    one.kinds = *rc::gen::element<std::uint64_t>(~std::uint64_t{0}, 1, 2);
  }
  policy->expect(typical);
  for (int i = 0; i < 30; ++i) {
    place(*policy, nodes, naive, any_demand());
    auto& node = naive[*rc::gen::inRange<std::size_t>(0, naive.size())];
    if (node.tasks.empty() || *rc::gen::inRange(0, 3) != 0) continue;
    give_back(nodes[static_cast<std::size_t>(&node - naive.data())], node.tasks.back().demand,
              node.tasks.back().devices);
    node.tasks.pop_back();
  }
}

class EveryPolicy : public testing::TestWithParam<PlacementKind> {};

TEST_P(EveryPolicy, offers_exactly_what_fits_and_never_more_than_there_is) {
  EXPECT_TRUE(rc::check([] { check_policy(GetParam()); }));
}

INSTANTIATE_TEST_SUITE_P(Placement, EveryPolicy,
                         testing::Values(PlacementKind::kRandom, PlacementKind::kDotProduct,
                                         PlacementKind::kClustering, PlacementKind::kPacking,
                                         PlacementKind::kBestFit, PlacementKind::kFgd,
                                         PlacementKind::kMillrace, PlacementKind::kTightest),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(PlacementNames, each_policy_is_found_by_its_name) {
  for (const auto name : {"random", "dotprod", "clustering", "packing", "bestfit", "fgd", "millrace"}) {
    const auto kind = parse_placement(name);
    ASSERT_TRUE(kind) << name;
    EXPECT_EQ(name_of(*kind), name);
  }
  EXPECT_NE(parse_placement("worst").error().message.find("bestfit"), std::string::npos);
}

}  // namespace
}  // namespace millrace::scheduler
