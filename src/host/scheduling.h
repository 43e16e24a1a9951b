// Scheduling: how a thread gives way to others.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace millrace::host {

/// For the calling thread, whose work may wait: it keeps its share of the processor, but does not take it from a thread
/// that runs, and hands it over within 0.1 ms to one that wakes up (Linux 6.12 and later; earlier ones know only the
/// first half). Without it a thread that wakes may wait for the next timer tick, 4 ms.
void run_in_background();

/// What sched_setattr(2) takes; the kernel's header does not go together with the C library's.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

/// The thread that makes it works, from `begin` on, only where no other thread wants the processor (SCHED_IDLE, sched(7));
/// from `hurry` on, which comes from another thread as soon as someone waits, and from its destruction on it is scheduled
/// as before. Where the system would not let it come back (that takes CAP_SYS_NICE or RLIMIT_NICE) it does not give way.
/// Between the two it should hold no lock that others need.
class GiveWay {
 public:
  GiveWay();
  ~GiveWay() { hurry(); }
  GiveWay(const GiveWay&) = delete;
  GiveWay& operator=(const GiveWay&) = delete;

  /// Once, by the thread that made it; nothing if someone hurried before.
  void begin();
  /// Any thread.
  void hurry();

 private:
  enum class State : std::uint8_t { kReady, kGivesWay, kHurried };
  const pid_t thread_;
  SchedulingAttributes before_;
  std::atomic<State> state_{State::kReady};
};

}  // namespace millrace::host
