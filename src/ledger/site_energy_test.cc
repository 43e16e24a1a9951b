#include "ledger/site_energy.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "host/system_clock.h"
#include "store/memory/memory_store.h"
#include "store/memory/memory_usage.h"

namespace millrace::ledger {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;
constexpr TimePoint kStart{seconds{1'790'000'000}};
constexpr energy::LinearPowerModel kModel{.idle_w = 10, .max_w = 50, .cores = 4, .pue = 1.25};

NodeReading reading(int second, std::int64_t busy_ns, std::optional<std::int64_t> counter = {},
                    std::string boot = "b") {
  return {kStart + seconds(second), {}, busy_ns, counter, std::move(boot)};
}

store::UsageRecord make_record(int number, microseconds from, microseconds duration, std::int64_t energy_uj) {
  store::UsageRecord record;
  record.request_id = "req_" + std::to_string(number);
  record.started_at = kStart + from;
  record.ended_at = record.started_at + duration;
  record.energy_uj = energy_uj;
  return record;
}

// Invariant I2, to the microjoule: in each interval attributed + idle = site; over intervals that cover a record, what
// they attribute is its energy, however they are cut.
TEST(SiteEnergy, ConservesEnergyHoweverIntervalsAreCut) {
  EXPECT_TRUE(rc::check([] {
    const auto cuts = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 1000));
    std::vector<EnergyInterval> intervals;
    TimePoint from = kStart;
    for (const int length : cuts) {
      intervals.push_back({from, from + microseconds(length), *rc::gen::inRange<std::int64_t>(0, 1'000'000),
                           "modelled", "m"});
      from += microseconds(length);
    }
    const auto total = static_cast<int>((from - kStart).count());
    std::vector<store::UsageRecord> records;
    std::int64_t inside = 0;
    const int count = *rc::gen::inRange(0, 20);
    for (int i = 0; i < count; ++i) {
      const int start = *rc::gen::inRange(0, total + 1);
      const int duration = *rc::gen::inRange(0, total - start + 1);
      const auto energy = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000);
      // A request without duration takes its one microsecond after its start: inside only if that is.
      if (start < total) inside += energy;
      records.push_back(make_record(i, microseconds(start), microseconds(duration), energy));
    }
    std::int64_t attributed = 0;
    for (const auto& each : attribute(intervals, records)) {
      RC_ASSERT(each.attributed_uj + each.idle_uj == each.interval.site_uj);
      RC_ASSERT(each.attributed_uj >= 0);
      attributed += each.attributed_uj;
    }
    RC_ASSERT(attributed == inside);
  }));
}

TEST(SiteEnergy, SpreadsARequestEvenlyOverItsDuration) {
  const std::vector<EnergyInterval> intervals{
      {kStart, kStart + seconds(10), 1000, "modelled", "m"},
      {kStart + seconds(10), kStart + seconds(20), 1000, "modelled", "m"},
      {kStart + seconds(30), kStart + seconds(40), 1000, "modelled", "m"}};
  auto unknown = make_record(2, seconds(0), seconds(10), 0);
  unknown.energy_uj.reset();
  const std::vector<store::UsageRecord> records{make_record(1, seconds(5), seconds(30), 600), unknown};
  const auto found = attribute(intervals, records);
  EXPECT_EQ(found[0].attributed_uj, 100);
  EXPECT_EQ(found[1].attributed_uj, 200);
  EXPECT_EQ(found[2].attributed_uj, 100);  // the gap between 20 and 30 s keeps its own 200
  EXPECT_EQ(found[0].idle_uj, 900);
}

TEST(SiteEnergy, SamplesBecomeIntervalsByModelOrCounter) {
  store::MemoryStore store;
  store::MemoryUsageTable usage;
  SiteEnergy site(store, usage);
  EXPECT_EQ(*site.sample(reading(0, 0), kModel), std::nullopt);
  const auto modelled = *site.sample(reading(10, 4'000'000'000, 500), kModel);
  ASSERT_TRUE(modelled);
  EXPECT_EQ(modelled->site_uj, energy::node_energy_uj(kModel, 10'000'000'000, 4'000'000'000));
  EXPECT_EQ(modelled->basis, "modelled");
  EXPECT_EQ(modelled->energy_model, energy::kLinearPowerModelName);
  const auto measured = *site.sample(reading(20, 5'000'000'000, 1500), kModel);
  EXPECT_EQ(measured->site_uj, 1250);
  EXPECT_EQ(measured->basis, "measured");
  const auto wrapped = *site.sample(reading(30, 5'000'000'000, 10), kModel);
  EXPECT_EQ(wrapped->basis, "modelled");
  // A server that starts later goes on from the last reading; a reboot or a clock set back starts anew.
  SiteEnergy later(store, usage);
  EXPECT_EQ((*later.sample(reading(100, 6'000'000'000), kModel))->from, kStart + seconds(30));
  EXPECT_EQ(*later.sample(reading(110, 1, {}, "other boot"), kModel), std::nullopt);
  EXPECT_EQ(*later.sample(reading(105, 2, {}, "other boot"), kModel), std::nullopt);
  const auto all = *later.query(kStart, kStart + seconds(1000), 100);
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[1].interval, *measured);
}

TEST(SiteEnergy, AClockThatIsSetAddsNoTimeThatNeverWas) {
  store::MemoryStore store;
  store::MemoryUsageTable usage;
  SiteEnergy energy(store, usage);
  const auto at = [](int second, int steady_s) {
    NodeReading made = reading(second, steady_s);
    made.steady = MonotonicPoint(seconds(steady_s));
    return made;
  };
  EXPECT_EQ(*energy.sample(at(0, 100), kModel), std::nullopt);
  EXPECT_NE(*energy.sample(at(10, 110), kModel), std::nullopt);
  EXPECT_EQ(*energy.sample(at(3620, 120), kModel), std::nullopt) << "an hour forward";
  EXPECT_NE(*energy.sample(at(3630, 130), kModel), std::nullopt);
  EXPECT_EQ(*energy.sample(at(3635, 160), kModel), std::nullopt) << "25 seconds back";
  SiteEnergy later(store, usage);
  EXPECT_NE(*later.sample(at(3635 + 40'000, 160 + 40'020), kModel), std::nullopt) << "slewed";
}

TEST(SiteEnergy, QueryFindsTheRequestsOfItsWindow) {
  store::MemoryStore store;
  store::MemoryUsageTable usage;
  SiteEnergy site(store, usage);
  for (int i = 0; i <= 5; ++i) ASSERT_TRUE(site.sample(reading(10 * i, 0), kModel));
  const std::vector<store::UsageRecord> records{make_record(1, seconds(15), seconds(10), 100),
                                                make_record(2, seconds(20), seconds(0), 7)};
  ASSERT_TRUE(usage.append(records));
  const auto window = *site.query(kStart + seconds(20), kStart + seconds(40), 100);
  ASSERT_EQ(window.size(), 2U);
  EXPECT_EQ(window[0].attributed_uj, 57);
  EXPECT_EQ(window[1].attributed_uj, 0);
  EXPECT_EQ(site.query(kStart, kStart + seconds(40), 3)->size(), 3U);
  EXPECT_TRUE(site.query(kStart + seconds(500), kStart + seconds(600), 3)->empty());
  host::JsonWriter out;
  write_interval(out, window[1]);
  EXPECT_EQ(out.text(),
            R"({"from":"2026-09-21T14:13:50.000000Z","to":"2026-09-21T14:14:00.000000Z",)"
            R"("site_j":125.000000,"attributed_j":0.000000,"idle_j":125.000000,"basis":"modelled"})");
}

TEST(ProcStat, CountsBusyTimeOfAllCores) {
  EXPECT_EQ(*busy_cpu_ns_of("cpu  10 1 5 1000 50 2 3 4 99 0\ncpu0 1 2 3\n", 100), 250'000'000);
  for (const char* bad :
       {"", "cpu", "cpu 1 2 3\n", "intr 1 2 3 4 5 6 7 8", "cpu a b c d e f g h", "cpu -1 2 3 4 5 6 7 8"}) {
    EXPECT_EQ(busy_cpu_ns_of(bad, 100).error().code, ErrorCode::kCorrupt) << bad;
  }
  const host::SystemClock clock;
  const auto first = read_node(clock);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_GT(first->busy_cpu_ns, 0);
  EXPECT_EQ(first->boot_id.size(), 36U);
}

}  // namespace
}  // namespace millrace::ledger
