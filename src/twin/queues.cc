#include "twin/queues.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>
#include <utility>

#include "scheduler/scheduler.h"

namespace millrace::twin {
namespace {

using scheduler::AccountIndex;
using scheduler::Workload;
using scheduler::WorkloadId;
using std::chrono::duration;
using std::chrono::microseconds;

/// Units of quota are counted as cores.
constexpr std::int64_t kMilliPerUnit = 1000;

scheduler::Quota quota_of(std::int64_t nominal_units, std::int64_t borrow_units) {
  scheduler::Quota quota;
  quota.nominal.cpu_milli = nominal_units * kMilliPerUnit;
  quota.borrow.cpu_milli = borrow_units * kMilliPerUnit;
  return quota;
}

double seconds(microseconds time) { return duration<double>(time).count(); }

/// What the run knows of a workload beyond what the scheduler is told.
struct Job {
  Workload workload;
  const QueueClass* kind = nullptr;
  std::size_t class_index = 0;
  std::int64_t run = 0;  // counts starts: an end that belongs to an earlier one is void
  bool running = false;
  bool admitted = false;
};

/// Accounts and jobs as the configuration says, and what they add up to.
struct World {
  scheduler::Accounts accounts;
  std::vector<Job> jobs;  // in order of arrival; the id is the index
  std::vector<QueueClassResult> classes;
  std::int64_t nominal_units = 0;
  double bound_s = 0.0;
};

std::size_t class_index(World& world, const std::string& name) {
  const auto found = std::ranges::find(world.classes, name, &QueueClassResult::name);
  const auto index = static_cast<std::size_t>(found - world.classes.begin());
  if (found == world.classes.end()) world.classes.push_back({.name = name});
  return index;
}

void add_jobs(World& world, const QueueClass& kind, AccountIndex account, bool preempt) {
  const std::size_t index = class_index(world, kind.name);
  for (std::int64_t i = 0; i < kind.count; ++i) {
    Job job;
    job.kind = &kind;
    job.class_index = index;
    job.workload.id = world.jobs.size();
    job.workload.account = account;
    job.workload.priority = kind.priority;
    job.workload.submitted = TimePoint(kind.first + i * kind.every);
    job.workload.demand.cpu_milli = kind.units * kMilliPerUnit;
    job.workload.preemptible = preempt;
    job.workload.grace = std::chrono::seconds(0);
    world.jobs.push_back(std::move(job));
  }
}

void add_cohort(World& world, const CohortSet& set, std::int64_t number, bool preempt) {
  const auto parent = static_cast<AccountIndex>(world.accounts.size());
  world.accounts.push_back({.name = fmt::format("{}-{}", set.name, number), .quota = {}});
  std::int64_t nominal_units = 0;
  double unit_s = 0.0;
  for (const auto& queue : set.queues) {
    for (std::int64_t i = 0; i < queue.count; ++i) {
      const auto account = static_cast<AccountIndex>(world.accounts.size());
      world.accounts.push_back({.name = fmt::format("{}-{}", queue.name, i),
                                .parent = parent,
                                .quota = quota_of(queue.nominal_units, queue.borrow_units),
                                .reclaim = queue.reclaim});
      nominal_units += queue.nominal_units;
      for (const auto& kind : queue.classes) {
        add_jobs(world, kind, account, preempt);
        unit_s += static_cast<double>(kind.count * kind.units) * seconds(kind.runtime);
        world.bound_s =
            std::max(world.bound_s, seconds(kind.first + kind.every * (kind.count - 1) + kind.runtime));
      }
    }
  }
  world.accounts[parent].quota = quota_of(nominal_units, 0);
  world.nominal_units += nominal_units;
  if (nominal_units > 0) world.bound_s = std::max(world.bound_s, unit_s / static_cast<double>(nominal_units));
}

World build(const QueuesConfig& config) {
  World world;
  for (const auto& set : config.cohorts) {
    for (std::int64_t i = 0; i < set.count; ++i) add_cohort(world, set, i, config.preempt);
  }
  std::ranges::sort(world.jobs, {},
                    [](const Job& job) { return std::pair(job.workload.submitted, job.workload.id); });
  for (std::size_t i = 0; i < world.jobs.size(); ++i) world.jobs[i].workload.id = i;
  return world;
}

scheduler::Cluster one_node(std::int64_t units) {
  scheduler::Cluster cluster;
  cluster.sites.push_back({.name = "site", .zone = "FR", .jurisdiction = "FR"});
  cluster.nodes.push_back({.name = "node", .cpu_milli = units * kMilliPerUnit});
  return cluster;
}

/// Jobs, the scheduler, and the events between them.
class Simulation {
 public:
  Simulation(World world, scheduler::Scheduler scheduler, QueuesResult& result)
      : world_(std::move(world)), scheduler_(std::move(scheduler)), result_(result) {}

  Result<void> run(const Progress& progress) {
    const auto total = static_cast<std::int64_t>(world_.jobs.size());
    const std::int64_t step = std::max<std::int64_t>(1, total / 100);
    std::int64_t told = 0;
    while (finished_ < total) {
      const auto next = next_time();
      if (!next || !advance(*next)) return stuck();
      TRY_VOID(take_events());
      carry_out(scheduler_.pass(now_));
      if (progress && finished_ >= told + step) {
        told = finished_;
        progress(static_cast<double>(finished_) / static_cast<double>(total), "workloads");
      }
    }
    result_.makespan_s = seconds(last_end_.time_since_epoch());
    result_.passes = static_cast<std::int64_t>(scheduler_.counters().passes);
    result_.usage_pct =
        100.0 * unit_s_ / (static_cast<double>(world_.nominal_units) * std::max(result_.makespan_s, 1e-9));
    result_.classes = std::move(world_.classes);
    return {};
  }

 private:
  enum class What : std::uint8_t { kEnd, kStop };
  struct Event {
    TimePoint time;
    std::uint64_t sequence = 0;
    What what = What::kEnd;
    WorkloadId id = 0;
    std::int64_t run = 0;
    bool operator>(const Event& other) const {
      return std::tie(time, sequence) > std::tie(other.time, other.sequence);
    }
  };

  std::optional<TimePoint> next_time() const {
    std::optional<TimePoint> next = wake_;
    const auto consider = [&next](TimePoint time) { next = next ? std::min(*next, time) : time; };
    if (arrived_ < world_.jobs.size()) consider(world_.jobs[arrived_].workload.submitted);
    if (!events_.empty()) consider(events_.top().time);
    return next;
  }

  /// False if the same instant has come again and again: work that stops other work in circles.
  bool advance(TimePoint time) {
    constexpr int kPassesMax = 100'000;
    passes_at_instant_ = time > now_ ? 0 : passes_at_instant_ + 1;
    if (time > now_) unit_s_ += static_cast<double>(held_units_) * seconds(time - now_);
    now_ = std::max(now_, time);
    wake_.reset();
    return passes_at_instant_ < kPassesMax;
  }

  void put(microseconds after, What what, const Job& job) {
    events_.push({now_ + after, ++sequence_, what, job.workload.id, job.run});
  }

  /// Ends and stops first: what they free is there for what comes at the same instant.
  Result<void> take_events() {
    while (!events_.empty() && events_.top().time <= now_) {
      const Event event = events_.top();
      events_.pop();
      Job& job = world_.jobs[event.id];
      if (!job.running || job.run != event.run) continue;
      job.running = false;
      held_units_ -= job.kind->units;
      TRY_VOID(scheduler_.ended(event.id, now_));
      if (event.what == What::kEnd) {
        ++finished_;
        last_end_ = now_;
      } else {
        TRY_VOID(scheduler_.submit(job.workload, now_));
      }
    }
    for (; arrived_ < world_.jobs.size() && world_.jobs[arrived_].workload.submitted <= now_; ++arrived_) {
      TRY_VOID(scheduler_.submit(world_.jobs[arrived_].workload, now_));
    }
    return {};
  }

  void carry_out(const scheduler::Plan& plan) {
    for (const auto& stop : plan.preempts) {
      ++result_.preemptions;
      put(stop.grace, What::kStop, world_.jobs[stop.id]);
    }
    for (const auto& start : plan.starts) {
      Job& job = world_.jobs[start.id];
      if (!job.admitted) admit(job);
      ++result_.starts;
      ++job.run;
      job.running = true;
      held_units_ += job.kind->units;
      put(job.kind->runtime, What::kEnd, job);
    }
    wake_ = plan.wake;
  }

  void admit(Job& job) {
    job.admitted = true;
    QueueClassResult& kind = world_.classes[job.class_index];
    const double waited_s = seconds(now_ - job.workload.submitted);
    ++kind.workloads;
    kind.admission_mean_s += (waited_s - kind.admission_mean_s) / static_cast<double>(kind.workloads);
    kind.admission_max_s = std::max(kind.admission_max_s, waited_s);
  }

  std::unexpected<Error> stuck() const {
    const auto pending = std::ranges::find_if(world_.jobs, [this](const Job& job) {
      return !job.running && scheduler_.why(job.workload.id).has_value();
    });
    const auto reason =
        pending != world_.jobs.end() ? scheduler_.why(pending->workload.id)->text() : "no reason known";
    return failure(ErrorCode::kInternal,
                   fmt::format("at {} s {} of {} workloads have ended and nothing will start the "
                               "others: {}",
                               seconds(now_.time_since_epoch()), finished_, world_.jobs.size(), reason));
  }

  World world_;
  scheduler::Scheduler scheduler_;
  QueuesResult& result_;
  TimePoint now_{}, last_end_{};
  int passes_at_instant_ = 0;
  std::optional<TimePoint> wake_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t sequence_ = 0;
  std::size_t arrived_ = 0;
  std::int64_t finished_ = 0, held_units_ = 0;
  double unit_s_ = 0.0;
};

boost::json::object by_class(const QueuesResult& result, double QueueClassResult::* figure) {
  boost::json::object out;
  for (const auto& one : result.classes) out[one.name] = one.*figure;
  return out;
}

}  // namespace

Result<QueuesResult> run_queues(const QueuesConfig& config, const Clock& clock, const Progress& progress) {
  const auto begun = clock.monotonic();
  QueuesResult result;
  result.name = config.name;
  World world = build(config);
  result.workloads = static_cast<std::int64_t>(world.jobs.size());
  result.bound_s = world.bound_s;
  scheduler::Policies policies;
  policies.preempt = config.preempt;
  auto scheduler = TRY(scheduler::Scheduler::create(one_node(world.nominal_units), world.accounts, policies));
  TRY_VOID(Simulation(std::move(world), std::move(scheduler), result).run(progress));
  result.wall_s = duration<double>(clock.monotonic() - begun).count();
  result.decisions_per_s = static_cast<double>(result.workloads) / std::max(result.wall_s, 1e-9);
  return result;
}

boost::json::object to_json(const QueuesResult& result) {
  return {{"name", result.name},
          {"workloads", result.workloads},
          {"makespan_s", result.makespan_s},
          {"bound_s", result.bound_s},
          {"admission_mean_s", by_class(result, &QueueClassResult::admission_mean_s)},
          {"admission_max_s", by_class(result, &QueueClassResult::admission_max_s)},
          {"usage_pct", result.usage_pct},
          {"decisions_per_s", result.decisions_per_s},
          {"starts", result.starts},
          {"preemptions", result.preemptions},
          {"passes", result.passes},
          {"wall_s", result.wall_s}};
}

}  // namespace millrace::twin
