#include "control/work_loop.h"

#include <algorithm>

#include "control/past_use.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeast{1};

}  // namespace

Result<std::unique_ptr<WorkLoop>> WorkLoop::start(WorkLoopOptions options, WorkPorts ports,
                                                  const Clock& clock, Report report) {
  if (!ports.report) ports.report = report;
  auto loop = std::make_unique<WorkLoop>(std::move(options), std::move(ports), clock, std::move(report));
  // Before anything is read: a change in between is told twice rather than not at all.
  loop->signal_->loop = loop.get();
  loop->ports_.store.subscribe([signal = loop->signal_](store::Revision, const store::Transaction& change) {
    const std::lock_guard lock(signal->mutex);
    if (signal->loop != nullptr) signal->loop->note(change);
  });
  TRY_VOID(loop->renew());
  loop->resynced_ = clock.monotonic();
  loop->thread_ = std::thread([self = loop.get()] { self->run(); });
  return loop;
}

void WorkLoop::note(const store::Transaction& change) {
  const auto concerns = [](std::string_view key) {
    return !key.starts_with(kLivePrefix) && !key.starts_with(kEndedPrefix) &&
           !key.starts_with(kPastUsePrefix);
  };
  const bool is_ours = std::ranges::none_of(change.put, [&](const auto& put) { return concerns(put.key); }) &&
                       std::ranges::none_of(change.erase, [&](const auto& key) { return concerns(key); });
  if (is_ours) return;
  if (const auto now = manager()) now->note_change(change);
  noted_ = true;
  ports_.runs.wake();
}

void WorkLoop::stop() {
  {
    const std::lock_guard lock(signal_->mutex);
    signal_->loop = nullptr;
  }
  ending_ = true;
  ports_.runs.wake();
  if (thread_.joinable()) thread_.join();
}

Result<void> WorkLoop::renew() {
  std::shared_ptr<WorkManager> fresh = TRY(WorkManager::create(options_.work, ports_, clock_.now()));
  {
    const std::lock_guard lock(manager_mutex_);
    manager_ = fresh;
  }
  // What was noted on the old one while the new one read.
  fresh->note_resync();
  return {};
}

void WorkLoop::run() {
  while (!ending_) {
    const milliseconds sleep = look();
    if (!ending_ && !noted_.exchange(false)) ports_.runs.wait_event(sleep);
  }
}

milliseconds WorkLoop::look() {
  const auto now = manager();
  if (clock_.monotonic() - resynced_ >= options_.resync) {
    now->note_resync();
    resynced_ = clock_.monotonic();
  }
  noted_ = false;
  const auto next = now->pass(clock_.now());
  if (!next) {
    report_(next.error());
    if (const auto renewed = renew(); !renewed) report_(renewed.error());
    return options_.after_failure;
  }
  if (next->again) return milliseconds(0);
  if (!next->wake) return options_.resync;
  const auto left = std::chrono::ceil<milliseconds>(*next->wake - clock_.now());
  return std::clamp(left, kLeast, options_.resync);
}

}  // namespace millrace::control
