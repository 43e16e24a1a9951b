#include "routing/choose.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "core/rng.h"

namespace millrace::routing {
namespace {

ReplicaLoad load(std::int64_t slots, std::int64_t requests, std::int64_t work, std::int64_t bound = 0) {
  return {.ready = true, .slots = slots, .requests = requests, .queued_blocks = work, .queue_bound = bound};
}

// Small ranges, so that ties, full replicas and empty sets are common.
std::vector<ReplicaLoad> random_loads(SeededRng& rng) {
  std::vector<ReplicaLoad> loads(rng.next() % 7);
  for (auto& one : loads) {
    one.ready = rng.next() % 4 != 0;
    one.slots = static_cast<std::int64_t>(rng.next() % 4);
    one.requests = static_cast<std::int64_t>(rng.next() % 6);
    one.queued_blocks = static_cast<std::int64_t>(rng.next() % 4) * 100;
    one.cached_blocks = static_cast<std::int64_t>(rng.next() % 3) * 50;
    one.queue_bound = static_cast<std::int64_t>(rng.next() % 3);
  }
  return loads;
}

// The rule said another way: sort all that may take a request of 200 blocks by (no free slot, cost, index).
std::optional<std::size_t> naive(const std::vector<ReplicaLoad>& loads) {
  std::vector<std::tuple<bool, std::int64_t, std::size_t>> order;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const auto& one = loads[i];
    if (one.ready && one.requests < one.slots + one.queue_bound) {
      order.emplace_back(one.requests >= one.slots, 2 * (200 - one.cached_blocks) + one.queued_blocks, i);
    }
  }
  if (order.empty()) return std::nullopt;
  return std::get<2>(*std::min_element(order.begin(), order.end()));
}

TEST(ChooseReplica, NothingToChooseFromGivesNothing) {
  EXPECT_EQ(choose_replica({}), std::nullopt);
  const std::vector<ReplicaLoad> away{{.ready = false, .slots = 4}};
  EXPECT_EQ(choose_replica(away), std::nullopt);
}

TEST(ChooseReplica, LeastQueuedWorkWinsAndTiesGoToTheLowestIndex) {
  EXPECT_EQ(choose_replica(std::vector{load(4, 1, 900), load(4, 3, 200), load(4, 2, 500)}), 1U);
  EXPECT_EQ(choose_replica(std::vector{load(4, 1, 900), load(4, 2, 200), load(4, 1, 200)}), 1U);
}

TEST(ChooseReplica, CachedBlocksCountTwiceAgainstQueuedOnes) {
  auto warm = load(4, 1, 0);
  warm.cached_blocks = 10;
  const auto cold = load(4, 1, 0);
  warm.queued_blocks = 19;
  EXPECT_EQ(choose_replica(std::vector{cold, warm}), 1U);
  warm.queued_blocks = 20;  // a tie goes to the lowest index
  EXPECT_EQ(choose_replica(std::vector{cold, warm}), 0U);
  EXPECT_EQ(choose_replica(std::vector{warm, cold}), 0U);
  warm.queued_blocks = 21;
  EXPECT_EQ(choose_replica(std::vector{warm, cold}), 1U);
}

TEST(ChooseReplica, ASharedPreambleDoesNotSendEverythingToOneReplica) {
  std::vector<ReplicaLoad> loads(4, load(100, 0, 0));
  loads[0].cached_blocks = 1;  // only the first has seen the preamble
  for (int sent = 0; sent < 40; ++sent) {
    auto& one = loads[*choose_replica(loads)];
    ++one.requests;
    one.queued_blocks += 8 - one.cached_blocks;
    one.cached_blocks = 1;
  }
  for (const auto& one : loads) EXPECT_NEAR(static_cast<double>(one.requests), 10, 1);
}

TEST(ChooseReplica, AFreeSlotComesBeforeAShorterQueue) {
  EXPECT_EQ(choose_replica(std::vector{load(1, 1, 10, 8), load(1, 0, 5000)}), 1U);
}

TEST(ChooseReplica, FullReplicasTakeRequestsUpToTheQueueBoundAndNoFurther) {
  EXPECT_EQ(choose_replica(std::vector{load(2, 3, 700, 2), load(2, 2, 800, 2)}), 0U);
  EXPECT_EQ(choose_replica(std::vector{load(2, 4, 700, 2), load(2, 3, 800, 2)}), 1U);
  EXPECT_EQ(choose_replica(std::vector{load(2, 4, 700, 2), load(2, 4, 800, 2)}), std::nullopt);
}

TEST(ChooseReplica, AgreesWithTheNaiveRuleOnRandomLoads) {
  SeededRng rng(20261122);
  int chosen = 0;
  for (int round = 0; round < 20000; ++round) {
    const auto loads = random_loads(rng);
    const auto choice = choose_replica(loads);
    ASSERT_EQ(choice, naive(loads)) << "round " << round;
    chosen += choice.has_value() ? 1 : 0;
  }
  EXPECT_GT(chosen, 10000);
  EXPECT_LT(chosen, 20000);
}

TEST(ChooseReplica, SendingOneRequestAfterAnotherNeverBreaksABoundAndFillsEverySlotFirst) {
  SeededRng rng(7);
  for (int round = 0; round < 500; ++round) {
    auto loads = random_loads(rng);
    for (auto& one : loads) one.requests = 0;
    std::int64_t slots = 0;
    std::int64_t capacity = 0;
    for (const auto& one : loads) {
      slots += one.ready ? one.slots : 0;
      capacity += one.ready ? one.slots + one.queue_bound : 0;
    }
    std::int64_t sent = 0;
    while (const auto choice = choose_replica(loads)) {
      auto& one = loads[*choice];
      ASSERT_EQ(one.requests < one.slots, sent < slots);
      ++one.requests;
      one.queued_blocks += 50;
      ++sent;
    }
    ASSERT_EQ(sent, capacity);
  }
}

TEST(ChooseReplica, EqualRequestsSpreadEvenlyOverEqualReplicas) {
  std::vector<ReplicaLoad> loads(8, load(100, 0, 0));
  for (int sent = 0; sent < 400; ++sent) {
    auto& one = loads[*choose_replica(loads)];
    ++one.requests;
    one.queued_blocks += 64;
  }
  for (const auto& one : loads) EXPECT_EQ(one.requests, 50);
}

}  // namespace
}  // namespace millrace::routing
