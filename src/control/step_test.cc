#include "control/step.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <stdlib.h>

#include <set>

#include "control/rollout.h"
#include "executor/fake/fake_executor.h"
#include "host/file.h"
#include "serving/fake/fake_prober.h"
#include "serving/policy.h"

namespace millrace::control {
namespace {

using serving::Phase;
using serving::Replica;
using serving::ReplicaSpec;
using std::chrono::milliseconds;
using std::chrono::seconds;

const MonotonicPoint kNow{std::chrono::hours(9)};

DesiredEndpoint endpoint(const std::string& name, std::int64_t replicas) {
  DesiredEndpoint endpoint;
  endpoint.name = name;
  endpoint.model = "m";
  endpoint.model_file = "/m.gguf";
  endpoint.min_replicas = endpoint.max_replicas = replicas;
  return endpoint;
}

std::map<std::string, ReplicaSpec> wanted_replicas(const std::vector<DesiredEndpoint>& endpoints,
                                                   const std::map<std::string, Replica>& there = {}) {
  std::map<std::string, ReplicaSpec> wanted;
  for (const auto& e : endpoints) wanted.merge(roll_out(e, e.min_replicas, there, true).wanted);
  return wanted;
}

TEST(Desired, ReadsBackAsWritten) {
  DesiredEndpoint e = endpoint("chat", 3);
  e.embeds = true;
  e.context = 4096;
  e.slots = 2;
  e.threads = 5;
  e.min_replicas = 0;
  e.idle_s = 7;
  e.first_token_ms = 300;
  e.start_timeout_s = 9;
  e.routing = "round-robin";
  e.spread = "rail";
  e.changes = 3;
  e.created_at = parse_rfc3339("2026-11-22T10:00:00Z").value();
  EXPECT_EQ(parse_desired(to_json(e)).value(), e);
}

TEST(Desired, ARecordOfAnEarlierVersionHasOneNumberForBothBounds) {
  const auto e = parse_desired(R"({"name":"a","engine":"llama","replicas":3})");
  ASSERT_TRUE(e) << e.error().message;
  EXPECT_EQ(e->min_replicas, 3);
  EXPECT_EQ(e->max_replicas, 3);
}

TEST(Desired, ARecordThatIsWrongIsCorruptAndNamesTheKey) {
  EXPECT_NE(parse_desired(R"({"name":"a","engine":"llama","max_replicas":65})")
                .error()
                .message.find("max_replicas"),
            std::string::npos);
  EXPECT_NE(parse_desired(R"({"name":"A/b","engine":"llama"})").error().message.find("name"),
            std::string::npos);
  EXPECT_NE(parse_desired(R"({"name":"a","engine":"llama","embeds":1})").error().message.find("embeds"),
            std::string::npos);
  EXPECT_EQ(parse_desired("{").error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(parse_desired(R"({"name":"a","engine":"openai","upstream_url":"x","more":{}})"))
      << "other keys are platform's";
}

// Every combination of phase, wish, age, silence, load and failures, against a table written another way.
struct Case {
  Phase phase;
  int wish;  // 0 not wanted, 1 wanted, 2 wanted in another generation
  seconds age;
  bool silent_long;
  std::int64_t busy;
  int failures;  // all within the last two minutes, the last one `age` ago
};

std::string expected(const Case& c, const StepLimits& limits) {
  const bool keep = c.wish == 1;
  switch (c.phase) {
    case Phase::kStarting:
      return !keep ? "stop" : c.age >= limits.start ? "stop!" : "";
    case Phase::kReady:
      return !keep ? "drain" : c.silent_long ? "stop!" : "";
    case Phase::kDraining:
      if (c.age >= limits.drain) return "stop";
      return c.age >= limits.drain_least && c.busy == 0 ? "stop" : "";
    case Phase::kStopping:
      return c.age >= limits.stop ? "stop" : "";
    case Phase::kEnded:
      if (c.wish == 0) return "remove";
      if (c.wish == 2 || c.failures == 0) return "start";
      if (c.failures >= 5) return "";
      return c.age >= seconds(1 << (c.failures - 1)) ? "start" : "";
  }
  return "?";
}

std::string found(const StepResult& result) {
  if (result.actions.empty()) return "";
  if (result.actions.size() > 1) return "several";
  const Action& action = result.actions[0];
  switch (action.kind) {
    case Action::Kind::kStart:
      return "start";
    case Action::Kind::kDrain:
      return "drain";
    case Action::Kind::kStop:
      return action.failed ? "stop!" : "stop";
    case Action::Kind::kRemove:
      return "remove";
  }
  return "?";
}

TEST(Step, EveryStateOfOneReplicaHasItsAnswer) {
  const StepLimits limits;
  int tried = 0;
  for (const Phase phase :
       {Phase::kStarting, Phase::kReady, Phase::kDraining, Phase::kStopping, Phase::kEnded})
    for (const int wish : {0, 1, 2})
      for (const int age : {0, 1, 2, 3, 7, 8, 9, 10, 59, 60, 299, 300})
        for (const bool silent : {false, true})
          for (const std::int64_t busy : {0, 1})
            for (int failures = 0; failures <= 5; ++failures) {
              const Case c{phase, wish, seconds(age), silent, busy, failures};
              Replica replica{.spec = {.id = "a-0", .endpoint = "a", .generation = "g"},
                              .phase = phase,
                              .since = kNow - c.age};
              if (silent)
                replica.silent_since = kNow - limits.silence;
              else if (phase == Phase::kReady && age == 1)
                replica.silent_since = kNow - limits.silence + milliseconds(1);
              replica.busy_slots = busy;
              for (int i = failures; i > 0; --i)
                replica.failures.push_back(kNow - c.age - milliseconds(i - 1));
              std::map<std::string, ReplicaSpec> wanted;
              if (wish != 0)
                wanted["a-0"] = {.id = "a-0", .endpoint = "a", .generation = wish == 1 ? "g" : "h"};
              const StepResult result = step(wanted, {{"a-0", replica}}, kNow, limits);
              ASSERT_EQ(found(result), expected(c, limits))
                  << "phase " << static_cast<int>(phase) << " wish " << wish << " age " << age << " silent "
                  << silent << " busy " << busy << " failures " << failures;
              if (result.look_again != MonotonicPoint::max()) {
                EXPECT_GT(result.look_again, kNow) << "a wake-up in the past would spin";
              }
              ++tried;
            }
  EXPECT_EQ(tried, 5 * 3 * 12 * 2 * 2 * 6);
}

TEST(Step, WhatIsMissingIsStarted) {
  const auto wanted = wanted_replicas({endpoint("b", 1), endpoint("a", 2)});
  const StepResult result = step(wanted, {}, kNow);
  ASSERT_EQ(result.actions.size(), 3u);
  EXPECT_EQ(result.actions[0].id, "a-0");
  EXPECT_EQ(result.actions[2].id, "b-0");
  EXPECT_EQ(result.actions[2].spec, wanted.at("b-0"));
}

class ManualClock final : public Clock {
 public:
  TimePoint now() const override {
    return TimePoint(std::chrono::hours(500000)) +
           std::chrono::duration_cast<std::chrono::microseconds>(passed);
  }
  MonotonicPoint monotonic() const override { return kNow + passed; }
  std::chrono::nanoseconds passed{0};
};

// A world of fakes that does what the step says.
class FakeWorld {
 public:
  /// False if there was nothing to do.
  bool pass() {
    RC_ASSERT(replicas.refresh().has_value());
    const auto wanted = wanted_replicas(wishes, replicas.all());
    const StepResult result = step(wanted, replicas.all(), clock.monotonic());
    std::set<std::string> ids;
    for (const Action& action : result.actions) {
      RC_ASSERT(ids.insert(action.id).second);
      carry_out(action, wanted);
    }
    return !result.actions.empty();
  }

  /// A wish, a wish withdrawn, a crash, a loss, or time that passes.
  void happen(int event) {
    const std::string name(1, static_cast<char>('a' + event % 3));
    switch (event % 5) {
      case 0: {
        forget(name);
        DesiredEndpoint e = endpoint(name, event / 5 % 4);
        e.model_file = "/usr/bin/env";  // any file that others may read: the executor is a fake
        e.model = event / 20 % 2 == 0 ? "m" : "n";
        wishes.push_back(e);
        break;
      }
      case 1:
        forget(name);
        break;
      case 2:
        executor.end(name + "-0", 1);
        break;
      case 3:
        executor.lose(name + "-1");
        break;
      default:
        clock.passed += seconds(event % 100);
    }
  }

  ManualClock clock;
  executor::FakeExecutor executor{clock};
  serving::FakeProber prober;
  serving::Replicas replicas{
      {.engine = {.root = "/", .program = "x", .prefix = {}}, .cpus = {0, 1}, .fence = 1},
      executor,
      prober,
      clock};
  std::vector<DesiredEndpoint> wishes;

 private:
  void forget(const std::string& name) {
    std::erase_if(wishes, [&](const auto& e) { return e.name == name; });
  }

  void carry_out(const Action& action, const std::map<std::string, ReplicaSpec>& wanted) {
    switch (action.kind) {
      case Action::Kind::kStart:
        RC_ASSERT(wanted.contains(action.id));
        replicas.start(action.spec, wanted.size());
        break;
      case Action::Kind::kDrain:
        replicas.drain(action.id);
        break;
      case Action::Kind::kStop:
        replicas.stop(action.id, action.why, action.failed);
        break;
      case Action::Kind::kRemove:
        replicas.remove(action.id);
        break;
    }
  }
};

// It never runs what it must not, and comes to rest as wished.
RC_GTEST_PROP(Step, AfterAnyHistoryTheWorldComesToRestAsWished, ()) {
  FakeWorld world;
  const auto events = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1000));
  for (const int event : events) {
    world.happen(event);
    world.pass();
  }
  for (int i = 0; i < 400; ++i) {  // rest: time passes without events
    world.clock.passed += seconds(1);
    world.pass();
  }
  RC_ASSERT(!world.pass());
  const auto wanted = wanted_replicas(world.wishes, world.replicas.all());
  RC_ASSERT(world.replicas.all().size() == wanted.size());
  for (const auto& [id, replica] : world.replicas.all()) {
    RC_ASSERT(wanted.contains(id));
    RC_ASSERT(replica.spec.generation == wanted.at(id).generation);
    const bool crash_loop = replica.phase == Phase::kEnded && replica.failures.size() >= serving::kCrashLimit;
    RC_ASSERT(replica.phase == Phase::kReady || crash_loop);
  }
}

}  // namespace
}  // namespace millrace::control
