#include "control/loop.h"

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "control/step.h"
#include "serving/replicas.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWhileStarting{50};   // how often an engine that loads is asked
constexpr milliseconds kWhileChanging{200};  // drains and stops
constexpr milliseconds kLeast{10};

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
      executor_.wait_event(kWhileStarting);
      TRY_VOID(replicas_.refresh());
    }
  }

 private:
  void run() {
    while (!ending_) {
      const milliseconds sleep = pass();
      if (!ending_) executor_.wait_event(sleep);
    }
  }

  // One look and what follows from it; how long to sleep.
  milliseconds pass() {
    const auto refreshed = replicas_.refresh();
    const auto desired = read_desired();
    // Without knowing both sides nothing is changed: what runs goes on.
    if (!refreshed || !desired) return std::min<milliseconds>(resync_, milliseconds(1000));
    const auto wanted = wanted_replicas(desired->endpoints);
    std::map<std::string, serving::Replica> there = replicas_.all();
    std::erase_if(there,
                  [&](const auto& item) { return desired->unreadable.contains(item.second.spec.endpoint); });
    const MonotonicPoint now = clock_.monotonic();
    const StepResult result = step(wanted, there, now);
    const bool changed = !result.actions.empty();
    carry_out(result, wanted.size());
    publish();
    if (changed) return kLeast;
    return sleep_until(result.look_again, now);
  }

  milliseconds sleep_until(MonotonicPoint look_again, MonotonicPoint now) const {
    milliseconds sleep = resync_;
    for (const auto& [id, replica] : replicas_.all()) {
      if (replica.phase == serving::Phase::kStarting) sleep = std::min(sleep, kWhileStarting);
      if (replica.phase == serving::Phase::kDraining || replica.phase == serving::Phase::kStopping)
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

  void publish() {
    std::vector<ReplicaStatus> now = replicas_.statuses();
    {
      const std::lock_guard lock(mutex_);
      if (published_ && now == observed_) return;
      observed_ = now;
      published_ = true;
    }
    if (listener_) listener_(now);
  }

  const milliseconds resync_;
  store::Store& store_;
  executor::Executor& executor_;
  const Clock& clock_;
  const Listener listener_;
  const std::shared_ptr<StoreSignal> signal_ = std::make_shared<StoreSignal>();
  serving::Replicas replicas_;  // the control thread's; after stop() the caller's
  std::atomic<bool> ending_ = false;
  std::thread thread_;
  mutable std::mutex mutex_;
  std::vector<ReplicaStatus> observed_;  // guarded by mutex_
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
