// Loop: one thread's epoll, coarse deadlines and posted work; everything in net runs on one.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "host/fd.h"

namespace millrace::net {

class Loop;

/// Told of the readiness of a file descriptor, on the loop's thread.
class FdHandler {
 public:
  /// `events` is epoll's bit set (EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR). May unwatch and destroy
  /// anything, itself included.
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~FdHandler() = default;
};

/// Work put off to the end of the events in hand, to coalesce writes and to destroy objects safely. Intrusive.
class Deferred {
 public:
  /// Called once for each Loop::defer that came before it; may destroy the object.
  virtual void run_deferred() = 0;

 protected:
  Deferred() = default;
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  ~Deferred();  // withdraws itself

 private:
  friend class Loop;
  Loop* loop_ = nullptr;  // non-null while queued
};

/// A time limit that is set and moved often and seldom reached: moving one to later is two stores. Intrusive.
class Deadline {
 public:
  /// Called once after the time is reached; the deadline is unset by then and may be set again.
  virtual void on_deadline() = 0;

 protected:
  Deadline() = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline();  // unsets itself

 private:
  friend class Loop;
  Loop* loop_ = nullptr;  // non-null while linked into a slot of the wheel
  Deadline* next_ = nullptr;
  Deadline* previous_ = nullptr;
  std::int64_t due_tick_ = -1;     // -1: unset; the link may outlive it until its slot comes round
  std::int64_t linked_tick_ = -1;  // tick whose slot holds the link; never later than due_tick_ when set
};

using TimerId = std::uint64_t;

/// Owned by one thread: the one that calls run(). Only post() and stop() may be called from others. Callbacks run
/// on that thread, one at a time. Must outlive whatever is watched, deferred or timed on it.
class Loop {
 public:
  using Function = std::move_only_function<void()>;

  /// Length of a tick of the deadline wheel: a deadline is met no earlier than due and at most this much (and the
  /// length of the events in hand) later.
  static constexpr std::chrono::milliseconds kTick{4};
  static constexpr std::size_t kScratchBytes = 64 * 1024;

  /// `clock` (its monotonic()) must outlive the loop. kExhausted when out of file descriptors.
  static Result<std::unique_ptr<Loop>> create(const Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Serves until stop(). What was posted before stop() has been run when it returns. May be run again.
  void run();
  /// One round: waits for events at most `wait` (also less, when a deadline comes sooner), serves them, the posted
  /// work and the due deadlines. For tests and blocking callers.
  void run_once(std::chrono::milliseconds wait);
  /// Ends run() after the work in hand. Any thread. A stop() before run() makes the next run() return at once.
  void stop();

  /// Runs `function` on the loop's thread after the event in hand. Any thread. Not run, but destroyed, if the loop
  /// is destroyed first.
  void post(Function function);

  /// Runs `function` once after `delay`. Loop thread.
  TimerId call_after(std::chrono::nanoseconds delay, Function function);
  /// No effect if it ran already or never was.
  void cancel(TimerId id);

  /// Sets or moves a deadline to `delay` from now(). Cheap: see Deadline.
  void set_deadline(Deadline& deadline, std::chrono::nanoseconds delay);
  static void clear_deadline(Deadline& deadline) { deadline.due_tick_ = -1; }

  /// Calls deferred.run_deferred() after the event in hand, and perhaps some that came with it: many requests that
  /// are written in a row wake their receiver once. Once, however often deferred before that.
  void defer(Deferred& deferred);

  /// Monotonic time at the start of the event round in hand.
  MonotonicPoint now() const { return now_; }
  const Clock& clock() const { return clock_; }

  /// Level-triggered unless `events` holds EPOLLET. `handler` must stay until unwatch(). kExhausted when the
  /// system has no memory or watches left.
  Result<void> watch(int fd, std::uint32_t events, FdHandler& handler);
  /// Changes the events of a watched descriptor.
  void modify(int fd, std::uint32_t events, FdHandler& handler);
  /// After it returns the handler is not called for this descriptor any more. Call before closing the descriptor.
  void unwatch(int fd, FdHandler& handler);

  /// One buffer for everybody on this loop to read into; what it holds is good until the callback returns.
  std::span<char> scratch() { return {scratch_.get(), kScratchBytes}; }

 private:
  friend class Deferred;
  friend class Deadline;
  class Waker;
  class Timer;
  static constexpr std::int64_t kSlots =
      4096;  // power of two; 16 s of ticks, later deadlines are linked again
  static constexpr std::int64_t kServing = -2;
  static constexpr std::size_t kBatch = 256;
  static constexpr std::size_t kDeferredMax = 32;  // bounds how long the first of them waits for the last

  Loop(const Clock& clock, host::Fd epoll);
  void refresh_now() { now_ = clock_.monotonic(); }
  int wait_ms(std::chrono::milliseconds limit);
  std::int64_t next_occupied_tick() const;
  Deadline*& list_of(const Deadline& deadline);
  void link(Deadline& deadline);
  void unlink(Deadline& deadline);
  void serve_deadlines();
  void serve_posted();
  void serve_deferred();

  const Clock& clock_;
  host::Fd epoll_;
  std::unique_ptr<Waker> waker_;
  std::unique_ptr<char[]> scratch_;
  MonotonicPoint start_;
  MonotonicPoint now_;
  std::array<epoll_event, kBatch> batch_{};
  int batch_size_ = 0;
  int batch_at_ = 0;

  std::vector<Deadline*> wheel_;
  std::array<std::uint64_t, kSlots / 64> occupied_{};  // one bit a slot that may hold links
  std::int64_t served_tick_ = 0;
  Deadline* serving_ = nullptr;  // rest of the slot in hand; its members have linked_tick_ kServing
  bool in_round_ = false;        // now_ is fresh
  std::unordered_map<TimerId, std::unique_ptr<Timer>> timers_;
  TimerId next_timer_ = 1;

  std::vector<Deferred*> deferred_;

  std::mutex mutex_;
  std::vector<Function> posted_;  // guarded by mutex_
  bool stop_ = false;             // guarded by mutex_
  bool awake_ = false;            // guarded by mutex_: a wake-up is on its way, or the loop will look anyway
};

}  // namespace millrace::net
