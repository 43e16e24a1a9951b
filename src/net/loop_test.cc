#include "net/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>

#include "host/system_clock.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;

class ManualClock final : public Clock {
 public:
  TimePoint now() const override { return TimePoint{}; }
  MonotonicPoint monotonic() const override { return MonotonicPoint{time}; }
  std::chrono::nanoseconds time{0};
};

TEST(Loop, RunsPostedWorkFromOtherThreadsInOrder) {
  const host::SystemClock clock;
  auto loop = Loop::create(clock).value();
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop->post([&seen, i] { seen.push_back(i); });
    loop->stop();
  });
  loop->run();
  other.join();
  ASSERT_EQ(seen.size(), 1000U);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST(Loop, TimersFireOnceInOrderAndNotEarly) {
  ManualClock clock;
  auto loop = Loop::create(clock).value();
  std::vector<int> fired;
  loop->call_after(milliseconds{50}, [&] { fired.push_back(50); });
  loop->call_after(milliseconds{10}, [&] { fired.push_back(10); });
  const TimerId cancelled = loop->call_after(milliseconds{20}, [&] { fired.push_back(20); });
  loop->call_after(std::chrono::minutes{5}, [&] { fired.push_back(300); });
  loop->cancel(cancelled);
  for (clock.time = milliseconds{0}; clock.time < milliseconds{10}; clock.time += milliseconds{1}) {
    loop->run_once(milliseconds{0});
  }
  EXPECT_TRUE(fired.empty());
  for (; clock.time < milliseconds{100}; clock.time += milliseconds{1}) loop->run_once(milliseconds{0});
  EXPECT_EQ(fired, (std::vector{10, 50}));
  clock.time = std::chrono::minutes{4};
  loop->run_once(milliseconds{0});
  EXPECT_EQ(fired.size(), 2U);
  clock.time = std::chrono::minutes{5} + milliseconds{8};
  loop->run_once(milliseconds{0});
  EXPECT_EQ(fired.size(), 3U);
}

class Counting final : public Deadline {
 public:
  explicit Counting(int& count) : count_(count) {}
  void on_deadline() override { ++count_; }

 private:
  int& count_;
};

TEST(Loop, DeadlineMovesBothWaysAndMayDieWhileSet) {
  ManualClock clock;
  auto loop = Loop::create(clock).value();
  int count = 0;
  Counting moved(count);
  std::optional<Counting> dead(std::in_place, count);
  loop->set_deadline(moved, milliseconds{20});
  loop->set_deadline(*dead, milliseconds{20});
  loop->set_deadline(moved, milliseconds{2000});
  dead.reset();
  clock.time = milliseconds{1000};
  loop->run_once(milliseconds{0});
  EXPECT_EQ(count, 0);
  loop->set_deadline(moved, milliseconds{10});
  clock.time = milliseconds{1020};
  loop->run_once(milliseconds{0});
  EXPECT_EQ(count, 1);
  loop->set_deadline(moved, milliseconds{10});
  loop->clear_deadline(moved);
  clock.time = milliseconds{9000};
  loop->run_once(milliseconds{0});
  EXPECT_EQ(count, 1);
}

TEST(Loop, WaitsNoLongerThanTheNextTimer) {
  const host::SystemClock clock;
  auto loop = Loop::create(clock).value();
  bool fired = false;
  loop->call_after(milliseconds{30}, [&] { fired = true; });
  const auto before = clock.monotonic();
  while (!fired) loop->run_once(milliseconds{5000});
  const auto took = clock.monotonic() - before;
  EXPECT_GE(took, milliseconds{30});
  EXPECT_LT(took, milliseconds{2000});
}

struct Pair final : FdHandler {
  void on_events(std::uint32_t) override {
    ++events;
    if (other != nullptr) loop->unwatch(other_fd, *other);
  }
  int events = 0;
  Loop* loop = nullptr;
  Pair* other = nullptr;
  int other_fd = -1;
};

TEST(Loop, AnUnwatchedHandlerIsNotCalledForAnEventOfTheSameBatch) {
  const host::SystemClock clock;
  auto loop = Loop::create(clock).value();
  int fds[4];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds + 2), 0);
  Pair a;
  Pair b;
  a.loop = b.loop = loop.get();
  a.other = &b;
  a.other_fd = fds[2];
  b.other = &a;
  b.other_fd = fds[0];
  ASSERT_TRUE(loop->watch(fds[0], EPOLLIN, a));
  ASSERT_TRUE(loop->watch(fds[2], EPOLLIN, b));
  ASSERT_EQ(::write(fds[1], "x", 1), 1);
  ASSERT_EQ(::write(fds[3], "x", 1), 1);
  loop->run_once(milliseconds{1000});
  EXPECT_EQ(a.events + b.events, 1);
  for (const int fd : fds) ::close(fd);
}

struct Late final : Deferred {
  explicit Late(int& c) : count(c) {}
  void run_deferred() override { ++count; }
  int& count;
};

TEST(Loop, DeferredWorkRunsOnceAfterTheEventAndNotWhenDestroyed) {
  const host::SystemClock clock;
  auto loop = Loop::create(clock).value();
  int count = 0;
  Late late(count);
  auto dead = std::make_unique<Late>(count);
  loop->post([&] {
    loop->defer(late);
    loop->defer(late);
    loop->defer(*dead);
    dead.reset();
    EXPECT_EQ(count, 0);
  });
  loop->run_once(milliseconds{0});
  EXPECT_EQ(count, 1);
}

/// Puts off its work at each event, and keeps count of the events that all of its kind have seen and not yet answered.
struct Answering final : FdHandler, Deferred {
  Answering(Loop& l, std::size_t& u, std::size_t& m) : loop(l), unanswered(u), most(m) {}
  void on_events(std::uint32_t) override {
    most = std::max(most, ++unanswered);
    loop.defer(*this);
  }
  void run_deferred() override {
    --unanswered;
    ++answers;
  }
  Loop& loop;
  std::size_t& unanswered;
  std::size_t& most;
  int answers = 0;
};

TEST(Loop, EventsThatComeTogetherAreAnsweredTogetherUpToABound) {
  const host::SystemClock clock;
  auto loop = Loop::create(clock).value();
  std::size_t unanswered = 0, most = 0;
  std::vector<std::unique_ptr<Answering>> handlers;
  std::vector<host::Fd> fds;
  for (int i = 0; i < 200; ++i) {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    fds.emplace_back(pair[0]);
    fds.emplace_back(pair[1]);
    handlers.push_back(std::make_unique<Answering>(*loop, unanswered, most));
    ASSERT_TRUE(loop->watch(pair[0], EPOLLIN | EPOLLET, *handlers.back()));
    ASSERT_EQ(::write(pair[1], "x", 1), 1);
  }
  loop->run_once(milliseconds{1000});
  EXPECT_EQ(unanswered, 0U);
  EXPECT_EQ(most, 32U);
  for (const auto& handler : handlers) EXPECT_EQ(handler->answers, 1);
}

}  // namespace
}  // namespace millrace::net
