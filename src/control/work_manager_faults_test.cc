#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

#include "control/manager_site_test_support.h"

namespace millrace::control {
namespace {

using std::chrono::seconds;

// Faults of every kind in one site: the same checks as the chaos test on real processes, on many more seeds.
class FaultySite {
 public:
  explicit FaultySite(std::uint64_t seed)
      : dice_(seed), nodes_(1 + static_cast<int>(seed % 4)), site_(seed, nodes_) {
    site_.runs.refuse_one_in = one_in(2) ? 10 : 0;
    site_.runs.fail_one_in = one_in(2) ? 8 : 0;
    site_.charge = [this](const RunUse&) -> Result<RunCharge> {
      if (std::exchange(charge_fails_, false)) return failure(ErrorCode::kUnavailable, "the price book");
      return RunCharge{};
    };
    site_.create();
  }

  void play() {
    for (int i = 0; i < 60; ++i) {
      disturb();
      site_.go((site_.runs.now - at(0)) / seconds(1) + static_cast<std::int64_t>(dice_.next() % 40));
    }
    site_.runs.refuse_one_in = 0;
    site_.store.reads.fail_next(0, ErrorCode::kUnavailable);
    site_.nodes = nodes_;
    site_.create();
    for (int node = 0; node < site_.nodes; ++node)
      site_.put(std::string(kNodeWishPrefix) + "n" + std::to_string(node), to_json(NodeWish{}));
    site_.finish();
  }

  void check() const {
    for (const auto& breach : site_.runs.breaches) ADD_FAILURE() << breach;
    EXPECT_TRUE(site_.manager->live().empty());
    std::map<WorkloadId, std::pair<RunKey, const SimulatedRuns::Run*>> last;
    std::size_t ended = 0;
    for (const auto& [key, run] : site_.runs.runs()) {
      ASSERT_TRUE(run.end) << "a run goes on for ever";
      EXPECT_TRUE(run.forgotten);
      last[key.id] = {key, &run};
      if (run.end->ended_at > run.started) ++ended;
    }
    const auto records = site_.usage_memory.list({}, "", SIZE_MAX).value();
    EXPECT_EQ(records.size(), ended) << "every run is in the ledger, once";
    std::int64_t used = 0, told = 0;
    for (const auto& record : records) used += record.accelerator_ms;
    for (const auto& wanted : submitted_) {
      const ObservedWork seen = site_.seen(wanted);
      told += seen.accelerator_ms;
      const auto run = last.find(wanted.id);
      if (seen.state == WorkState::kSucceeded) {
        ASSERT_NE(run, last.end());
        EXPECT_EQ(run->second.second->end->exit, Exit::kDone);
      } else if (seen.state == WorkState::kTimedOut) {
        EXPECT_EQ(run->second.second->end->exit, Exit::kTimedOut);
      } else if (seen.state == WorkState::kCancelled) {
        EXPECT_TRUE(cancelled_.contains(wanted.id) || !wanted.after.empty() || !wanted.requeue);
      }
    }
    EXPECT_EQ(used, told) << "the ledger and the records of work say the same";
  }

  std::uint64_t last_draw() { return dice_.next(); }

 private:
  bool one_in(unsigned count) { return dice_.next() % count == 0; }

  void submit() {
    WantedWork job = site_.work(++number_);
    job.demand.accelerators = 1 + static_cast<std::int32_t>(dice_.next() % 8);
    if (one_in(4))
      job.demand = {.cpu_milli = 500, .memory_mib = 64, .accelerators = 1, .accelerator_milli = 500};
    job.tasks = one_in(4) && site_.nodes > 1 ? 2 : 1;
    job.tenant = one_in(2) ? "hall" : "lab";
    job.priority_class = one_in(4) ? "high" : "normal";
    job.retries = one_in(3) ? 2 : 0;
    job.requeue = !one_in(5);
    if (one_in(3)) job.time_limit = seconds(100);
    if (one_in(4) && number_ > 1) job.after = {workload_id(1 + dice_.next() % (number_ - 1))};
    job.grace = seconds(10);
    submitted_.push_back(job);
    site_.put(job);
  }

  void disturb() {
    if (number_ < 20 && one_in(2)) submit();
    switch (dice_.next() % 12) {
      case 0:
        site_.create();
        break;
      case 1:  // what was decided is lost on its way to the store, or its answer is
        site_.store.writes.fail_next(1, ErrorCode::kUnavailable, one_in(2));
        break;
      case 2:
        site_.usage.writes.fail_next(1, ErrorCode::kUnavailable, one_in(2));
        break;
      case 3:
        site_.runs.lose_one();
        break;
      case 4:
        if (!submitted_.empty()) {
          const auto& job = submitted_[dice_.next() % submitted_.size()];
          cancelled_.insert(job.id);
          site_.cancel(job);
        }
        break;
      case 5:
        site_.put(std::string(kNodeWishPrefix) + "n" +
                      std::to_string(dice_.next() % static_cast<unsigned>(site_.nodes)),
                  to_json(one_in(2)   ? NodeWish{.cordoned = true}
                          : one_in(2) ? NodeWish{.drain = true}
                                      : NodeWish{}));
        break;
      case 6:
        site_.put(std::string(kSiteEventPrefix) + std::to_string(number_),
                  to_json(SiteEvent{.id = "",
                                    .site = "local",
                                    .from = site_.runs.now + seconds(dice_.next() % 60),
                                    .until = site_.runs.now + seconds(61 + dice_.next() % 300),
                                    .budget_mw = {},
                                    .budget_milli = 300 + static_cast<std::int64_t>(dice_.next() % 600)}));
        break;
      case 7:
        site_.manager->note_resync();
        break;
      case 8:  // the clock is set: what ends meanwhile ends by its own clock
        site_.clock_offset = seconds(static_cast<std::int64_t>(dice_.next() % 600)) - seconds(300);
        break;
      case 9:
        charge_fails_ = true;
        break;
      case 10:  // nodes leave the configuration, and come back
        site_.nodes = 1 + static_cast<int>(dice_.next() % static_cast<unsigned>(nodes_));
        site_.create();
        break;
      default:
        (one_in(2) ? site_.store.reads : site_.runs.reads).fail_next(1, ErrorCode::kUnavailable);
        break;
    }
  }

  SeededRng dice_;
  const int nodes_;  // of the whole site
  Site site_;
  bool charge_fails_ = false;  // once
  std::uint64_t number_ = 0;
  std::vector<WantedWork> submitted_;
  std::set<WorkloadId> cancelled_;
};

TEST(WorkManager, NothingIsLostDoubledOrUnsettledWhateverFailsOnManySeeds) {
  const char* const wanted = std::getenv("MILLRACE_SEED");
  const std::uint64_t from = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
  const std::uint64_t many = std::getenv("MILLRACE_LONG") != nullptr ? 20'000 : 2'000;
  const std::uint64_t until = from + (wanted != nullptr ? 1 : many);
  for (std::uint64_t seed = from; seed < until && !HasFailure(); ++seed) {
    SCOPED_TRACE("MILLRACE_SEED=" + std::to_string(seed));
    FaultySite site(seed);
    site.play();
    site.check();
    if (HasFailure()) std::printf("last draw %llu\n", static_cast<unsigned long long>(site.last_draw()));
  }
}

}  // namespace
}  // namespace millrace::control
