#include "host/scheduling.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace millrace::host {
namespace {

bool read(pid_t thread, SchedulingAttributes& into) {
  return ::syscall(SYS_sched_getattr, thread, &into, sizeof into, 0) == 0;
}

bool set(pid_t thread, const SchedulingAttributes& wanted) {
  return ::syscall(SYS_sched_setattr, thread, &wanted, 0) == 0;
}

bool only_when_idle(pid_t thread, const SchedulingAttributes& before) {
  SchedulingAttributes wanted;
  wanted.policy = SCHED_IDLE;
  wanted.nice = before.nice;
  return set(thread, wanted);
}

/// Tried once, on a thread that may get stuck there.
bool can_come_back() {
  static const bool can = [] {
    bool back = false;
    std::thread([&] {
      SchedulingAttributes before;
      back = read(0, before) && only_when_idle(0, before) && set(0, before);
    }).join();
    return back;
  }();
  return can;
}

}  // namespace

void run_in_background() {
  SchedulingAttributes wanted;
  wanted.policy = SCHED_BATCH;
  wanted.nice = ::getpriority(PRIO_PROCESS, 0);
  wanted.runtime_ns = 100'000;  // the shortest slice there is
  // A refusal (a sandbox's filter) costs latency under load, nothing else.
  static_cast<void>(set(0, wanted));
}

GiveWay::GiveWay() : thread_(::gettid()) {
  if (!can_come_back() || !read(thread_, before_)) state_ = State::kHurried;
}

void GiveWay::begin() {
  if (state_ == State::kHurried || !only_when_idle(thread_, before_)) return;
  // Whoever hurried meanwhile found nothing to undo.
  State ready = State::kReady;
  if (!state_.compare_exchange_strong(ready, State::kGivesWay)) static_cast<void>(set(thread_, before_));
}

void GiveWay::hurry() {
  if (state_.exchange(State::kHurried) == State::kGivesWay) static_cast<void>(set(thread_, before_));
}

}  // namespace millrace::host
