// Facts in any order, wrong ones among them: the scheduler never ends the process, refuses what cannot be, keeps capacity,
// starts gangs whole, and a second one that is told the same decides the same.
#include <cstdlib>
#include <map>
#include <set>

#include "scheduler/world_test_support.h"

namespace millrace::scheduler {
namespace {

using testing::Dice;
using testing::kStart;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Two bytes of the input for each draw; zeros after its end.
class BytesRng final : public Rng {
 public:
  BytesRng(const unsigned char* data, std::size_t size, bool& over)
      : data_(data), left_(size), over_(&over) {}
  std::uint64_t next() override {
    if (left_ < 2) {
      *over_ = true;
      return 0;
    }
    const std::uint64_t drawn = std::uint64_t{data_[0]} << 8 | data_[1];
    data_ += 2;
    left_ -= 2;
    return drawn;
  }

 private:
  const unsigned char* data_;
  std::size_t left_;
  bool* over_;
};

class World {
 public:
  World(const unsigned char* data, std::size_t size)
      : dice_(std::make_unique<BytesRng>(data, size, over_)), cluster_(testing::random_cluster(dice_)) {
    const Accounts accounts = testing::random_accounts(dice_, dice_.one_in(2));
    accounts_ = accounts.size();
    Policies policies;
    policies.preempt = !dice_.one_in(4);
    policies.reservations = dice_.below(5);
    policies.replan_every = std::chrono::seconds(300 * dice_.below(3));
    policies.starvation = std::chrono::minutes(1 + dice_.below(300));
    policies.half_life = std::chrono::hours(1);
    policies.power_lead = std::chrono::seconds(120 * dice_.below(3));
    policies.start_capped = dice_.one_in(2);
    first_ = std::make_unique<Scheduler>(*Scheduler::create(cluster_, accounts, policies));
    second_ = std::make_unique<Scheduler>(*Scheduler::create(cluster_, accounts, policies));
  }

  void run() {
    constexpr int kEventsMax = 300;
    for (int i = 0; i < kEventsMax && !over_; ++i) {
      event();
      if (dice_.one_in(2)) pass();
      if (dice_.one_in(2)) now_ += std::chrono::seconds(dice_.below(1800));
    }
    pass();
  }

 private:
  /// Tells both; they must say the same.
  template <typename Fact>
  bool tell(Fact fact) {
    const Result<void> result = fact(*first_);
    const Result<void> again = fact(*second_);
    require(result.has_value() == again.has_value());
    return result.has_value();
  }

  void event() {
    switch (dice_.below(13)) {
      case 0:
        end();
        break;
      case 1:
        cancel();
        break;
      case 2:
        postpone();
        break;
      case 3:
        change_health();
        break;
      case 4:
        change_budget();
        break;
      case 5:
        change_account();
        break;
      case 6:
        adopt();
        break;
      default:
        submit();
    }
  }

  /// One that is known, or was, or never was.
  WorkloadId some_id() { return static_cast<WorkloadId>(dice_.below(static_cast<int>(ids_) + 2)); }

  Workload some_workload() {
    Workload w = testing::random_workload(dice_, ++ids_, now_, accounts_);
    if (!dice_.one_in(8)) return w;
    if (dice_.one_in(2)) w.id = some_id();
    if (dice_.one_in(4)) w.tasks = dice_.below(3) - 1;
    if (dice_.one_in(4)) w.account = static_cast<AccountIndex>(dice_.below(20));
    if (dice_.one_in(4)) w.demand.accelerators = dice_.below(20) - 1;
    if (dice_.one_in(4)) w.demand.accelerator_milli = dice_.below(1200) - 100;
    if (dice_.one_in(4)) w.accelerator_draw_milli = dice_.below(1200) - 100;
    if (dice_.one_in(4)) w.kinds = {static_cast<KindIndex>(dice_.below(5))};
    if (dice_.one_in(4)) w.limit = std::chrono::seconds(dice_.below(3) - 1);
    return w;
  }

  void submit() {
    const Workload w = some_workload();
    const bool taken = tell([&](Scheduler& s) { return s.submit(w, now_); });
    require(!taken || !work_.contains(w.id));
    if (taken) work_[w.id] = {w, {}};
  }

  void adopt() {
    Running running{.workload = some_workload(), .started = now_, .places = {}};
    for (int i = dice_.below(4); i > 0; --i) {
      const auto node = static_cast<NodeIndex>(dice_.below(static_cast<int>(cluster_.nodes.size()) + 1));
      running.places.push_back({node, static_cast<std::uint32_t>(dice_.below(16))});
    }
    if (tell([&](Scheduler& s) { return s.adopt(running); }))
      work_[running.workload.id] = {running.workload, running.places};
  }

  void end() {
    const WorkloadId id = some_id();
    const bool runs = work_.contains(id) && !work_.at(id).places.empty();
    require(tell([&](Scheduler& s) { return s.ended(id, now_); }) == runs);
    if (runs) work_.erase(id);
  }

  void cancel() {
    const WorkloadId id = some_id();
    const bool pending = work_.contains(id) && work_.at(id).places.empty();
    require(tell([&](Scheduler& s) { return s.cancel(id, now_); }) == pending);
    if (pending) work_.erase(id);
  }

  void postpone() {
    const WorkloadId id = some_id();
    std::optional<TimePoint> until;
    if (!dice_.one_in(3)) until = now_ + std::chrono::minutes(dice_.below(120) - 30);
    const bool pending = work_.contains(id) && work_.at(id).places.empty();
    require(tell([&](Scheduler& s) { return s.set_not_before(id, until, now_); }) == pending);
  }

  void change_health() {
    const auto node = static_cast<NodeIndex>(dice_.below(static_cast<int>(cluster_.nodes.size())));
    const auto health = static_cast<Health>(dice_.below(3));
    first_->set_health(node, health, now_);
    second_->set_health(node, health, now_);
  }

  void change_budget() {
    BudgetChange change;
    change.scope = {static_cast<ScopeKind>(dice_.below(4)), static_cast<std::uint32_t>(dice_.below(5))};
    change.from = now_ + std::chrono::seconds(dice_.below(1200) - 300);
    if (!dice_.one_in(5)) change.milliwatts = std::int64_t{dice_.below(60)} * 200'000 - 200'000;
    tell([&](Scheduler& s) { return s.set_budget(change, now_); });
  }

  void change_account() {
    const auto some = [&] {
      return Amount{dice_.below(12) * 1000, dice_.below(12) * 4000, dice_.below(12) * 4000};
    };
    const Quota quota{some(), some()};
    const auto account = static_cast<AccountIndex>(dice_.below(static_cast<int>(accounts_) + 1));
    if (dice_.one_in(3)) {
      Account added{.name = "added", .parent = account, .quota = quota};
      if (tell([&](Scheduler& s) { return s.add_account(added); })) ++accounts_;
      return;
    }
    tell([&](Scheduler& s) { return s.set_quota(account, quota); });
  }

  void pass() {
    const bool full = dice_.one_in(4);
    const Plan plan = full ? first_->full_pass(now_) : first_->pass(now_);
    const Plan again = full ? second_->full_pass(now_) : second_->pass(now_);
    require(plan.starts.size() == again.starts.size() && plan.preempts.size() == again.preempts.size());
    require(plan.caps.size() == again.caps.size() && plan.holds.size() == again.holds.size());
    for (std::size_t i = 0; i < plan.starts.size(); ++i) {
      const Start& start = plan.starts[i];
      require(start.id == again.starts[i].id && start.places == again.starts[i].places);
      Item& item = work_.at(start.id);
      require(item.places.empty() && std::ssize(start.places) == item.work.tasks);
      item.places = start.places;
    }
    for (const Preempt& p : plan.preempts) require(!work_.at(p.id).places.empty());
    for (const Cap& c : plan.caps) require(!work_.at(c.id).places.empty());
    for (const Hold& h : plan.holds) require(work_.at(h.id).places.empty() && !h.reason.text().empty());
    check_capacity();
  }

  void check_capacity() const {
    for (NodeIndex n = 0; n < cluster_.nodes.size(); ++n) {
      const NodeState& free = first_->node_state(n);
      std::int64_t cpu = cluster_.nodes[n].cpu_milli;
      for (const auto& [id, item] : work_) {
        for (const TaskPlace& p : item.places) cpu -= p.node == n ? item.work.demand.cpu_milli : 0;
      }
      require(cpu >= 0 && free.cpu_milli_free == cpu && free.memory_mib_free >= 0);
      for (const std::int16_t milli : free.device_milli_free) require(milli >= 0 && milli <= 1000);
    }
  }

  struct Item {
    Workload work;
    std::vector<TaskPlace> places;  // empty: pending
  };

  bool over_ = false;
  Dice dice_;
  Cluster cluster_;
  std::unique_ptr<Scheduler> first_;
  std::unique_ptr<Scheduler> second_;
  TimePoint now_ = kStart;
  WorkloadId ids_ = 0;
  std::size_t accounts_ = 0;
  std::map<WorkloadId, Item> work_;
};

}  // namespace
}  // namespace millrace::scheduler

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  millrace::scheduler::World(data, size).run();
  return 0;
}
