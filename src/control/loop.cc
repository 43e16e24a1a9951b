#include "control/loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "control/rollout.h"
#include "control/scaling.h"
#include "control/step.h"
#include "serving/replicas.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWhileStopping{50};   // of stop_with_replicas
constexpr milliseconds kWhileChanging{200};  // starts, drains and stops
constexpr milliseconds kWhileHeld{1000};
constexpr milliseconds kLeast{10};
constexpr std::chrono::seconds kSurgePatience{10};  // for a new replica beyond what is wanted to be admitted

// Outlives the loop: the store keeps its listeners for good.
struct StoreSignal {
  std::mutex mutex;
  executor::Executor* executor = nullptr;  // guarded by mutex; null once the loop is gone
  void fire() {
    const std::lock_guard lock(mutex);
    if (executor != nullptr) executor->wake();
  }
};

bool touches_endpoints(const store::Transaction& change) {
  for (const auto& put : change.put)
    if (put.key.starts_with(kEndpointPrefix)) return true;
  for (const auto& key : change.erase)
    if (key.starts_with(kEndpointPrefix)) return true;
  return false;
}

class ThreadLoop final : public Loop {
 public:
  ThreadLoop(LoopOptions options, store::Store& store, executor::Executor& executor, serving::Prober& prober,
             const Clock& clock, Listener listener)
      : resync_(options.resync),
        store_(store),
        executor_(executor),
        clock_(clock),
        listener_(std::move(listener)),
        admission_(options.admission),
        has_room_(std::move(options.has_room)),
        replicas_(
            {.engine = std::move(options.engine), .cpus = std::move(options.cpus), .fence = options.fence},
            executor, prober, clock) {}

  ~ThreadLoop() override { stop(); }

  void begin() {
    signal_->executor = &executor_;
    store_.subscribe([signal = signal_](store::Revision, const store::Transaction& change) {
      if (touches_endpoints(change)) signal->fire();
    });
    // What runs is known before anybody asks: a server that has just started must not tell gateways that nothing does.
    if (replicas_.refresh()) publish();
    thread_ = std::thread([this] { run(); });
  }

  std::vector<ReplicaStatus> observed() const override {
    const std::lock_guard lock(mutex_);
    return observed_;
  }
  std::vector<ServiceStatus> services() const override {
    const std::lock_guard lock(mutex_);
    return services_;
  }
  void set_load(std::optional<EndpointLoads> loads) override {
    {
      const std::lock_guard lock(mutex_);
      loads_ = std::move(loads);
    }
    executor_.wake();
  }
  void wake() override { executor_.wake(); }

  Result<ReplicaLog> log(const std::string& replica, std::int64_t from, std::size_t max) override {
    executor::LogPiece piece = TRY(executor_.log(replica, from, max));
    return ReplicaLog{piece.from, std::move(piece.text), piece.next};
  }

  void stop() override {
    ending_ = true;
    executor_.wake();
    if (thread_.joinable()) thread_.join();
    const std::lock_guard lock(signal_->mutex);
    signal_->executor = nullptr;
  }

  Result<void> stop_with_replicas(milliseconds patience) override {
    stop();
    const MonotonicPoint deadline = clock_.monotonic() + patience;
    TRY_VOID(replicas_.refresh());
    for (;;) {
      // Wanting nothing with no patience for drains: every replica is stopped, and killed when its grace is over.
      const StepLimits limits{.drain_least = std::chrono::seconds(0),
                              .drain = std::chrono::seconds(0),
                              .stop = std::chrono::seconds(5)};
      carry_out(step({}, replicas_.all(), clock_.monotonic(), limits), 0);
      publish();
      if (replicas_.all().empty()) return {};
      if (clock_.monotonic() > deadline)
        return failure(ErrorCode::kTimeout, "some replicas did not stop in time");
      executor_.wait_event(kWhileStopping);
      TRY_VOID(replicas_.refresh());
    }
  }

 private:
  void run() {
    while (!ending_) rest(pass());
  }

  /// Until an event, at most for `sleep`; or until an engine that loads its model is ready: those are asked every few
  /// milliseconds, since requests may wait for them.
  void rest(milliseconds sleep) {
    const MonotonicPoint until = clock_.monotonic() + sleep;
    for (;;) {
      const MonotonicPoint begin = clock_.monotonic();
      if (ending_ || begin >= until) return;
      const auto probe = replicas_.probe_due(begin);
      const auto step = std::min<milliseconds>(std::chrono::ceil<milliseconds>(until - begin),
                                               probe.value_or(milliseconds::max()));
      executor_.wait_event(step);
      const bool woken = clock_.monotonic() - begin < step;
      if (woken || (probe && replicas_.probe_starting())) return;
    }
  }

  // One look and what follows from it; how long to sleep.
  milliseconds pass() {
    const auto refreshed = replicas_.refresh();
    const auto desired = read_desired();
    // Without knowing both sides nothing is changed: what runs goes on.
    if (!refreshed || !desired) return std::min<milliseconds>(resync_, milliseconds(1000));
    std::map<std::string, serving::Replica> there = replicas_.all();
    std::erase_if(there,
                  [&](const auto& item) { return desired->unreadable.contains(item.second.spec.endpoint); });
    const MonotonicPoint now = clock_.monotonic();
    Wanted wanted = plan(desired->endpoints, there, now);
    for (const auto& [id, replica] : replicas_.all()) {
      if (!there.contains(id) && replica.phase != serving::Phase::kEnded)
        wanted.left_alone.emplace(id, replica.spec);
    }
    admit(wanted, there, now);
    const StepResult result = step(wanted.replicas, there, now);
    const bool changed = !result.actions.empty();
    carry_out(result, wanted.replicas.size());
    tell_ended(wanted);
    const bool is_held = !wanted.held.empty();
    publish(std::move(wanted.services), wanted.held);
    if (changed) return kLeast;
    const milliseconds sleep = sleep_until(std::min(result.look_again, scaling_.look_again()), now);
    // Nobody tells when the reason of what is not admitted changes, and requests may be told it.
    return is_held ? std::min(sleep, kWhileHeld) : sleep;
  }

  struct Wanted {
    std::map<std::string, serving::ReplicaSpec> replicas;
    std::map<std::string, std::string> surges;  // endpoint by the id of its replica beyond what is wanted
    std::vector<ServiceStatus> services;
    std::vector<ReplicaStatus> held;  // wanted, and not admitted
    std::map<std::string, serving::ReplicaSpec>
        left_alone;  // run, and their endpoint cannot be read: they keep their room
  };

  Wanted plan(const std::vector<DesiredEndpoint>& endpoints,
              const std::map<std::string, serving::Replica>& there, MonotonicPoint now) {
    std::optional<EndpointLoads> loads;
    {
      const std::lock_guard lock(mutex_);
      loads = loads_;
    }
    Wanted wanted;
    std::set<std::string> generations;
    const auto counts = scaling_.counts(endpoints, there, loads, now);
    for (const DesiredEndpoint& endpoint : endpoints) {
      const auto count = counts.find(endpoint.name);
      if (count == counts.end()) continue;
      Rollout rollout =
          roll_out(endpoint, count->second, there, !no_surge_.contains(generation_of(endpoint)));
      if (!rollout.surge.empty() && has_room_ && !there.contains(rollout.surge) &&
          !has_room_(rollout.wanted.at(rollout.surge))) {
        no_surge_.insert(generation_of(endpoint));
        rollout = roll_out(endpoint, count->second, there, false);
      }
      if (!rollout.surge.empty()) wanted.surges[rollout.surge] = generation_of(endpoint);
      ServiceStatus service{.endpoint = endpoint.name, .wanted = count->second, .changes = endpoint.changes};
      if (loads && loads->contains(endpoint.name))
        service.waiting = loads->find(endpoint.name)->second.waiting;
      service.reason = std::move(rollout.reason);
      wanted.services.push_back(std::move(service));
      wanted.replicas.merge(rollout.wanted);
      generations.insert(generation_of(endpoint));
    }
    std::erase_if(no_surge_, [&](const std::string& one) { return !generations.contains(one); });
    std::erase_if(surge_asked_, [&](const auto& one) { return !wanted.surges.contains(one.first); });
    return wanted;
  }

  /// Takes out what may not run. A surge that is not admitted in time is done without.
  void admit(Wanted& wanted, const std::map<std::string, serving::Replica>& there, MonotonicPoint now) {
    if (admission_ == nullptr) return;
    std::set<std::string> running;
    for (const auto& [id, replica] : there)
      if (replica.phase != serving::Phase::kEnded) running.insert(id);
    auto candidates = wanted.replicas;
    for (const auto& one : wanted.left_alone) {
      candidates.insert(one);
      running.insert(one.first);
    }
    const std::set<std::string> admitted = admission_->admitted(candidates, running);
    granted_.insert(running.begin(), running.end());
    granted_.insert(admitted.begin(), admitted.end());
    for (auto it = wanted.replicas.begin(); it != wanted.replicas.end();) {
      if (admitted.contains(it->first)) {
        surge_asked_.erase(it->first);
        ++it;
        continue;
      }
      const std::string& id = it->first;
      if (const auto surge = wanted.surges.find(id); surge != wanted.surges.end()) {
        const auto asked = surge_asked_.emplace(id, now).first->second;
        if (now - asked >= kSurgePatience) no_surge_.insert(surge->second);
      }
      wanted.held.push_back({.id = id,
                             .endpoint = it->second.endpoint,
                             .model = it->second.model,
                             .state = ReplicaState::kStarting,
                             .reason = admission_->reason(id)});
      it = wanted.replicas.erase(it);
    }
    tell_waiting(wanted);
  }

  /// An endpoint's reason names one replica that waits, and what for.
  static void tell_waiting(Wanted& wanted) {
    for (ServiceStatus& service : wanted.services) {
      const auto first = std::ranges::find(wanted.held, service.endpoint, &ReplicaStatus::endpoint);
      if (first == wanted.held.end() || service.reason.empty()) continue;
      service.reason += fmt::format("; {} waits: {}", first->id, first->reason);
    }
  }

  /// What was admitted or ran, and is neither there nor to be started.
  void tell_ended(const Wanted& wanted) {
    if (admission_ == nullptr) return;
    std::erase_if(granted_, [&](const std::string& id) {
      const auto found = replicas_.all().find(id);
      const bool is_there = found != replicas_.all().end() && found->second.phase != serving::Phase::kEnded;
      if (is_there || wanted.replicas.contains(id)) return false;
      admission_->ended(id);
      return true;
    });
  }

  milliseconds sleep_until(MonotonicPoint look_again, MonotonicPoint now) const {
    milliseconds sleep = resync_;
    for (const auto& [id, replica] : replicas_.all()) {
      if (replica.phase != serving::Phase::kReady && replica.phase != serving::Phase::kEnded)
        sleep = std::min(sleep, kWhileChanging);
      if (replica.silent_since) sleep = std::min(sleep, milliseconds(1000));
    }
    if (look_again == MonotonicPoint::max()) return sleep;
    return std::clamp(std::chrono::ceil<milliseconds>(look_again - now), kLeast, sleep);
  }

  struct Desired {
    std::vector<DesiredEndpoint> endpoints;
    std::set<std::string> unreadable;  // endpoints whose record cannot be read: their replicas are left alone
  };
  Result<Desired> read_desired() const {
    Desired desired;
    for (const store::Record& record : TRY(store_.list(kEndpointPrefix))) {
      if (auto endpoint = parse_desired(record.value))
        desired.endpoints.push_back(std::move(*endpoint));
      else
        desired.unreadable.insert(record.key.substr(kEndpointPrefix.size()));
    }
    return desired;
  }

  void carry_out(const StepResult& result, std::size_t wanted) {
    for (const Action& action : result.actions) {
      switch (action.kind) {
        case Action::Kind::kStart:
          replicas_.start(action.spec, wanted);
          break;
        case Action::Kind::kDrain:
          replicas_.drain(action.id);
          break;
        case Action::Kind::kStop:
          replicas_.stop(action.id, action.why, action.failed);
          break;
        case Action::Kind::kRemove:
          replicas_.remove(action.id);
          break;
      }
    }
  }

  void publish(std::vector<ServiceStatus> services = {}, const std::vector<ReplicaStatus>& held = {}) {
    std::vector<ReplicaStatus> now = replicas_.statuses();
    for (const ReplicaStatus& one : held) {
      if (!replicas_.all().contains(one.id)) now.push_back(one);
    }
    std::ranges::sort(now, {}, &ReplicaStatus::id);
    {
      const std::lock_guard lock(mutex_);
      if (published_ && now == observed_ && services == services_) return;
      observed_ = now;
      services_ = std::move(services);
      published_ = true;
    }
    if (listener_) listener_(now);
  }

  const milliseconds resync_;
  store::Store& store_;
  executor::Executor& executor_;
  const Clock& clock_;
  const Listener listener_;
  ReplicaAdmission* const admission_;
  const std::function<bool(const serving::ReplicaSpec&)> has_room_;
  const std::shared_ptr<StoreSignal> signal_ = std::make_shared<StoreSignal>();
  serving::Replicas replicas_;                         // the control thread's; after stop() the caller's
  Scaling scaling_;                                    // the control thread's, as what follows
  std::set<std::string> no_surge_;                     // generations that are rolled out without one more
  std::map<std::string, MonotonicPoint> surge_asked_;  // since when its admission is waited for
  std::set<std::string> granted_;                      // admitted or running, and not told as ended
  std::atomic<bool> ending_ = false;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::vector<ReplicaStatus> observed_;  // guarded by mutex_
  std::vector<ServiceStatus> services_;  // guarded by mutex_
  std::optional<EndpointLoads> loads_;   // guarded by mutex_
  bool published_ = false;               // guarded by mutex_
};

}  // namespace

Result<std::unique_ptr<Loop>> Loop::start(LoopOptions options, store::Store& store,
                                          executor::Executor& executor, serving::Prober& prober,
                                          const Clock& clock, Listener listener) {
  if (options.cpus.empty()) return failure(ErrorCode::kInvalidArgument, "control: no processors for engines");
  auto loop =
      std::make_unique<ThreadLoop>(std::move(options), store, executor, prober, clock, std::move(listener));
  loop->begin();
  return loop;
}

}  // namespace millrace::control
