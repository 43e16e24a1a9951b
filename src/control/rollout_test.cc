#include "control/rollout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/rng.h"

namespace millrace::control {
namespace {

using serving::Phase;
using serving::Replica;
using There = std::map<std::string, Replica>;

DesiredEndpoint chat(const std::string& model = "m") {
  DesiredEndpoint endpoint;
  endpoint.name = "chat";
  endpoint.model = model;
  endpoint.model_file = "/" + model;
  return endpoint;
}

Replica replica(const DesiredEndpoint& endpoint, const std::string& id, Phase phase) {
  Replica one;
  one.spec = {.id = id, .endpoint = endpoint.name, .model = endpoint.model};
  one.spec.generation = generation_of(endpoint);
  one.phase = phase;
  return one;
}

std::set<std::string> ids(const Rollout& rollout) {
  std::set<std::string> all;
  for (const auto& [id, spec] : rollout.wanted) all.insert(id);
  return all;
}

TEST(Rollout, OneForEachOrdinalAndNoneForAnUpstream) {
  EXPECT_EQ(ids(roll_out(chat(), 2, {}, true)), (std::set<std::string>{"chat-0", "chat-1"}));
  EXPECT_TRUE(roll_out(chat(), 0, {}, true).wanted.empty());
  DesiredEndpoint upstream = chat();
  upstream.engine = "openai";
  EXPECT_TRUE(roll_out(upstream, 2, {}, true).wanted.empty());
}

TEST(Rollout, TheGenerationChangesWithAllThatARunningEngineCannotChange) {
  const auto generation = [](auto change) {
    DesiredEndpoint e = chat();
    change(e);
    return generation_of(e);
  };
  std::set<std::string> seen = {generation([](auto&) {})};
  EXPECT_TRUE(seen.insert(generation([](auto& e) { e.model = "x"; })).second);
  EXPECT_TRUE(seen.insert(generation([](auto& e) { e.model_file = "/x"; })).second);
  EXPECT_TRUE(seen.insert(generation([](auto& e) { e.context = 1; })).second);
  EXPECT_TRUE(seen.insert(generation([](auto& e) { e.slots = 1; })).second);
  EXPECT_TRUE(seen.insert(generation([](auto& e) { e.threads = 1; })).second);
  EXPECT_TRUE(seen.insert(generation([](auto& e) { e.embeds = true; })).second);
  EXPECT_TRUE(seen.insert(generation([](auto& e) { e.spread = "rack"; })).second);
  EXPECT_TRUE(
      seen.insert(generation([](auto& e) { e.created_at = TimePoint(std::chrono::seconds(1)); })).second);
  EXPECT_FALSE(seen.insert(generation([](auto& e) { e.max_replicas = 7, e.idle_s = 1; })).second)
      << "a change of the bounds restarts nothing";
}

TEST(Rollout, TheNewOneIsReadyBeforeTheOldOneGoes) {
  There there{{"chat-0", replica(chat(), "chat-0", Phase::kReady)}};
  Rollout rollout = roll_out(chat("n"), 1, there, true);
  EXPECT_EQ(ids(rollout), (std::set<std::string>{"chat-0", "chat-1"}));
  EXPECT_EQ(rollout.wanted.at("chat-0").model, "m");
  EXPECT_EQ(rollout.wanted.at("chat-1").model, "n");
  EXPECT_EQ(rollout.surge, "chat-1");
  EXPECT_EQ(rollout.reason, "replaces its replicas: 0 of 1 are new");
  there["chat-1"] = replica(chat("n"), "chat-1", Phase::kStarting);
  EXPECT_EQ(ids(roll_out(chat("n"), 1, there, true)), (std::set<std::string>{"chat-0", "chat-1"}));
  there["chat-1"].phase = Phase::kReady;
  EXPECT_EQ(ids(roll_out(chat("n"), 1, there, true)), (std::set<std::string>{"chat-1"}));
  there.erase("chat-0");
  rollout = roll_out(chat("n"), 1, there, true);
  EXPECT_EQ(ids(rollout), (std::set<std::string>{"chat-1"}));
  EXPECT_EQ(rollout.reason, "");
}

TEST(Rollout, AGenerationThatDoesNotStartLeavesTheOldOneAndSaysWhy) {
  There there{{"chat-0", replica(chat(), "chat-0", Phase::kReady)},
              {"chat-1", replica(chat("n"), "chat-1", Phase::kEnded)}};
  there["chat-1"].failures = {MonotonicPoint{}};
  there["chat-1"].reason = "the engine ended with exit code 1; see its log";
  const Rollout rollout = roll_out(chat("n"), 1, there, true);
  EXPECT_TRUE(rollout.wanted.contains("chat-0"));
  EXPECT_NE(rollout.reason.find("exit code 1"), std::string::npos) << rollout.reason;
}

TEST(Rollout, WithoutRoomForOneMoreAnOldOneGoesFirst) {
  There there{{"chat-0", replica(chat(), "chat-0", Phase::kReady)},
              {"chat-1", replica(chat(), "chat-1", Phase::kReady)}};
  Rollout rollout = roll_out(chat("n"), 2, there, false);
  EXPECT_EQ(ids(rollout), (std::set<std::string>{"chat-0"}));
  EXPECT_NE(rollout.reason.find("no room"), std::string::npos);
  there["chat-1"].phase = Phase::kDraining;
  EXPECT_EQ(ids(roll_out(chat("n"), 2, there, false)), (std::set<std::string>{"chat-0"}))
      << "its room is not free yet";
  there.erase("chat-1");
  EXPECT_EQ(ids(roll_out(chat("n"), 2, there, false)), (std::set<std::string>{"chat-0", "chat-1"}));
  there["chat-1"] = replica(chat("n"), "chat-1", Phase::kReady);
  EXPECT_EQ(ids(roll_out(chat("n"), 2, there, false)), (std::set<std::string>{"chat-1"}));
}

TEST(Rollout, OfTooManyThoseStayThatAnswer) {
  There there{{"chat-0", replica(chat(), "chat-0", Phase::kEnded)},
              {"chat-2", replica(chat(), "chat-2", Phase::kStarting)},
              {"chat-9", replica(chat(), "chat-9", Phase::kReady)},
              {"chat-10", replica(chat(), "chat-10", Phase::kReady)}};
  EXPECT_EQ(ids(roll_out(chat(), 1, there, true)), (std::set<std::string>{"chat-9"}));
  EXPECT_EQ(ids(roll_out(chat(), 3, there, true)), (std::set<std::string>{"chat-10", "chat-2", "chat-9"}));
}

TEST(Rollout, OneThatLeavesKeepsItsIdUntilItIsGone) {
  There there{{"chat-0", replica(chat(), "chat-0", Phase::kStopping)}};
  EXPECT_EQ(ids(roll_out(chat(), 1, there, true)), (std::set<std::string>{"chat-1"}));
}

// Engines start, become ready, drain and go in random order; what is asked for changes now and then.
TEST(Rollout, NeverHasMoreThanOneBeyondAndEndsWithTheNewOnes) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SeededRng rng(seed);
    const bool surge = rng.next() % 2 == 0;
    const auto count = static_cast<std::int64_t>(rng.next() % 4) + 1;
    DesiredEndpoint wish = chat("a");
    There there;
    bool answered = false;
    for (int turn = 0; turn < 400; ++turn) {
      if (turn < 200 && rng.next() % 60 == 0)
        wish = chat(std::string(1, static_cast<char>('a' + rng.next() % 3)));
      const Rollout rollout = roll_out(wish, count, there, surge);
      for (auto& [id, one] : there) {
        const auto wanted = rollout.wanted.find(id);
        const bool keep = wanted != rollout.wanted.end() && wanted->second.generation == one.spec.generation;
        if (!keep && one.phase == Phase::kReady) one.phase = Phase::kDraining;
        if (!keep && one.phase == Phase::kStarting) one.phase = Phase::kStopping;
      }
      std::erase_if(there, [&](const auto& item) { return item.second.phase == Phase::kEnded; });
      for (const auto& [id, spec] : rollout.wanted) {
        if (there.contains(id)) continue;
        there[id].spec = spec;
        there[id].phase = Phase::kStarting;
      }
      std::int64_t alive = 0, ready = 0;
      for (auto& [id, one] : there) {
        alive += one.phase == Phase::kReady || one.phase == Phase::kStarting ? 1 : 0;
        ready += one.phase == Phase::kReady ? 1 : 0;
        if (rng.next() % 3 != 0) continue;
        if (one.phase == Phase::kStarting)
          one.phase = Phase::kReady;
        else if (one.phase == Phase::kDraining)
          one.phase = Phase::kStopping;
        else if (one.phase == Phase::kStopping)
          one.phase = Phase::kEnded;
      }
      ASSERT_LE(alive, count + (surge ? 1 : 0)) << "seed " << seed << " turn " << turn;
      if (answered && surge) ASSERT_GE(ready, 1) << "seed " << seed << " turn " << turn;
      answered = answered || ready == count;
    }
    const Rollout rollout = roll_out(wish, count, there, surge);
    ASSERT_EQ(rollout.reason, "") << "seed " << seed;
    ASSERT_EQ(std::ssize(there), count) << "seed " << seed;
    for (const auto& [id, one] : there) ASSERT_EQ(one.spec.model, wish.model) << "seed " << seed;
  }
}

}  // namespace
}  // namespace millrace::control
