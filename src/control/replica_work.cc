#include "control/replica_work.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/work.h"

namespace millrace::control {
namespace {

constexpr std::chrono::seconds kDrain{70};  // requests in work go on until then

/// While a change rolls, one more than wanted runs: it need not be apart from those that it replaces.
std::string siblings_of(const serving::ReplicaSpec& spec) {
  return spec.spread == "none" ? std::string() : spec.generation;
}

}  // namespace

Result<std::unique_ptr<ReplicaWork>> ReplicaWork::create(ReplicaWorkOptions options, store::Store& store,
                                                         const Clock& clock) {
  auto made = std::make_unique<ReplicaWork>(std::move(options), store, clock);
  // What was wished, whether or not the manager of work has seen it yet: a crash may have come between the two.
  for (const auto& record : TRY(store.list(kWantedPrefix))) {
    const auto work = parse_wanted(record.value);
    if (!work || work->kind != WorkKind::kService || work->cancelled_at) continue;
    if (TRY(store.find(work_key(kEndedPrefix, work->id)))) continue;
    Wish wish;
    wish.work = *work;
    const bool is_first = made->wishes_.try_emplace(work->title, wish).second;
    // An earlier version could wish a replica twice.
    if (!is_first) made->withdraw(wish);
  }
  return made;
}

Result<void> ReplicaWork::put(const WantedWork& work) {
  (void)TRY(
      store_.commit({.expect = {}, .put = {{work_key(kWantedPrefix, work.id), to_json(work)}}, .erase = {}}));
  return {};
}

void ReplicaWork::add(const serving::ReplicaSpec& spec) {
  const auto number = options_.take_number();
  if (!number) return;  // asked again in the next pass
  Wish wish;
  WantedWork& work = wish.work;
  work.id = workload_id(*number);
  work.name = std::to_string(*number);
  work.kind = WorkKind::kService;
  work.title = spec.id;
  work.tenant = kServicesTenant;
  work.project = kServicesProject;
  work.user = spec.endpoint;
  work.submitted_at = clock_.now();
  work.demand = options_.demand(spec);
  work.spread = scheduler::parse_spread(spec.spread).value_or(scheduler::Spread::kNone);
  work.siblings = siblings_of(spec);
  // Endpoints answer people: they go before jobs and are not stopped for them; a falling budget sheds them last.
  work.priority_class = "high";
  work.preemptible = false;
  work.grace = kDrain;
  work.program.command = {spec.id};
  if (put(work)) wishes_.emplace(spec.id, std::move(wish));
}

void ReplicaWork::withdraw(Wish& wish) {
  if (wish.work.cancelled_at) return;
  wish.work.cancelled_at = clock_.now();
  if (!put(wish.work)) wish.work.cancelled_at.reset();
}

std::set<std::string> ReplicaWork::admitted(const std::map<std::string, serving::ReplicaSpec>& wanted,
                                            const std::set<std::string>& running) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, wish] : wishes_) {
    const auto spec = wanted.find(id);
    if (spec == wanted.end() || siblings_of(spec->second) != wish.work.siblings) withdraw(wish);
  }
  std::erase_if(wishes_, [](const auto& item) { return item.second.work.cancelled_at && !item.second.run; });
  std::set<std::string> out;
  for (const auto& [id, spec] : wanted) {
    if (!wishes_.contains(id)) add(spec);
    const auto wish = wishes_.find(id);
    if (wish == wishes_.end()) continue;
    // One that runs already when it becomes work goes on until something is decided about it.
    const bool is_undecided = !wish->second.was_decided && running.contains(id);
    if (!wish->second.work.cancelled_at && (wish->second.may_run || is_undecided)) out.insert(id);
  }
  return out;
}

std::string ReplicaWork::reason(const std::string& id) {
  WorkloadId work = 0;
  const WorkView* view = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto wish = wishes_.find(id);
    if (wish == wishes_.end()) return "waits to be queued";
    work = wish->second.work.id;
    view = view_;
  }
  const auto seen = view != nullptr ? view->find(work) : failure(ErrorCode::kNotFound, "");
  return seen && !seen->reason.empty() ? seen->reason : "waits for the scheduler";
}

void ReplicaWork::set_view(const WorkView* view) {
  const std::lock_guard lock(mutex_);
  view_ = view;
}

void ReplicaWork::ended(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    const auto wish = wishes_.find(id);
    if (wish == wishes_.end() || !wish->second.run) return;
    const auto run = runs_.find(*wish->second.run);
    if (run == runs_.end() || run->second.end) return;
    const TimePoint now = clock_.now();
    run->second.end = RunEnd{.exit = Exit::kStopped,
                             .why = {},
                             .exit_code = {},
                             .started_at = run->second.started_at,
                             .ended_at = now};
    wish->second.may_run = false;
  }
  options_.wake();
}

ReplicaWork::Wish* ReplicaWork::find(WorkloadId id) {
  const auto found =
      std::ranges::find_if(wishes_, [&](const auto& item) { return item.second.work.id == id; });
  return found == wishes_.end() ? nullptr : &found->second;
}

Result<void> ReplicaWork::start(const WantedWork& work, const StartRun& run,
                                const std::vector<NamedPlace>& /*places*/) {
  {
    const std::lock_guard lock(mutex_);
    Wish& wish = wishes_[work.title];
    if (wish.work.id != work.id) wish.work = work;
    wish.run = RunKey{run.id, run.run};
    wish.may_run = wish.was_decided = true;
    runs_.try_emplace(
        *wish.run,
        RunStatus{.key = *wish.run, .is_running = true, .started_at = clock_.now(), .cpu_us = 0, .end = {}});
  }
  options_.changed();
  return {};
}

Result<void> ReplicaWork::stop(const WantedWork& work, const StopRun& stop) {
  {
    const std::lock_guard lock(mutex_);
    Wish* const wish = find(work.id);
    if (wish == nullptr || wish->run != RunKey{stop.id, stop.run}) return {};
    wish->may_run = false;
    wish->was_decided = true;
  }
  options_.changed();
  return {};
}

Result<void> ReplicaWork::cap(const WantedWork& work, const CapRun& cap) {
  if (!options_.set_cpu) return {};
  return options_.set_cpu(work.title,
                          cap.cap_milli == 1000 ? 0 : work.demand.cpu_milli * cap.cap_milli / 1000);
}

Result<std::vector<RunStatus>> ReplicaWork::ended() {
  const std::lock_guard lock(mutex_);
  std::vector<RunStatus> out;
  for (const auto& [key, run] : runs_) {
    if (run.end) out.push_back(run);
  }
  return out;
}

Result<std::vector<RunStatus>> ReplicaWork::all() {
  const std::lock_guard lock(mutex_);
  std::vector<RunStatus> out;
  for (const auto& [key, run] : runs_) out.push_back(run);
  return out;
}

Result<RunStatus> ReplicaWork::status(RunKey key) {
  const std::lock_guard lock(mutex_);
  const auto run = runs_.find(key);
  if (run == runs_.end()) return failure(ErrorCode::kNotFound, "there is no such run");
  return run->second;
}

Result<ReplicaLog> ReplicaWork::log(RunKey key, std::int32_t /*task*/, std::int64_t /*from*/,
                                    std::size_t /*max*/) {
  return failure(ErrorCode::kNotFound,
                 fmt::format("{} is a replica: see the logs of its endpoint", number_of(key.id)));
}

void ReplicaWork::forget(RunKey key) {
  const std::lock_guard lock(mutex_);
  runs_.erase(key);
  for (auto& [id, wish] : wishes_) {
    if (wish.run == key) wish.run.reset();
  }
}

void ReplicaWork::wait_event(std::chrono::milliseconds /*timeout*/) {}

}  // namespace millrace::control
