#include "executor/process_use.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <functional>
#include <thread>

#include "host/fd.h"

namespace millrace::executor {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

// They have threads and memory of their own, in every process.
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
constexpr bool kIsSanitized = true;
#else
constexpr bool kIsSanitized = false;
#endif

/// A child that has done something and waits until it is killed.
class Child {
 public:
  explicit Child(const std::function<void()>& does) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      does();
      (void)!::write(ends[1], "x", 1);
      for (;;) ::pause();
    }
    ::close(ends[1]);
    const host::Fd done(ends[0]);
    char byte = 0;
    EXPECT_EQ(::read(done.get(), &byte, 1), 1);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    for (const pid_t pid : tree_use(pid_).processes) ::kill(pid, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

void fill(std::size_t bytes, int flags) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  std::memset(memory, 7, bytes);
}

TEST(ProcessUse, ATreeIsAllDescendantsAndTheirThreads) {
  if (kIsSanitized) GTEST_SKIP();
  const Child child([] {
    static const std::jthread other([] {
      for (;;) ::pause();
    });
    for (int i = 0; i < 3; ++i)
      if (::fork() == 0)
        for (;;) ::pause();
  });
  const TreeUse use = tree_use(child.pid());
  EXPECT_EQ(use.processes.size(), 4U);
  EXPECT_EQ(use.processes.front(), child.pid());
  EXPECT_EQ(use.threads, 5);
  EXPECT_EQ(tree_use(child.pid(), 2).processes.size(), 2U) << "more than enough is seen";
  EXPECT_TRUE(tree_use(1 << 30).processes.empty());
}

TEST(ProcessUse, WhatIsSharedCountsOnceWhereItIsLookedAtClosely) {
  if (kIsSanitized) GTEST_SKIP();
  const Child child([] {
    fill(64 * kMiB, MAP_PRIVATE);
    fill(32 * kMiB, MAP_SHARED);
    for (int i = 0; i < 3; ++i)
      if (::fork() == 0)
        for (;;) ::pause();
  });
  const TreeUse use = tree_use(child.pid());
  ASSERT_EQ(use.processes.size(), 4U);
  EXPECT_GE(use.memory_bytes, 4 * 64 * kMiB);
  const std::int64_t once = shared_memory_use(use.processes, 0);
  EXPECT_GE(once, 96 * kMiB);
  EXPECT_LT(once, 160 * kMiB);
  EXPECT_GE(shared_memory_use(use.processes, 200 * kMiB), 264 * kMiB);
}

TEST(ProcessUse, ProcessorTimeOfWhatEndedStays) {
  const Child child([] {
    const pid_t busy = ::fork();
    if (busy == 0) {
      while (std::clock() < CLOCKS_PER_SEC / 8) {
      }
      ::_exit(0);
    }
    ::waitpid(busy, nullptr, 0);
  });
  EXPECT_GT(tree_use(child.pid()).cpu_time_us, 50'000);
}

TEST(ProcessUse, TheKernelsVersionTellsWhatItsLimitCounts) {
  for (const char* release : {"5.14.0-1-amd64", "6.1", "10.0.1"})
    EXPECT_TRUE(counts_processes_by_namespace(release)) << release;
  for (const char* release : {"5.13.19", "4.18.0", "", "x"})
    EXPECT_FALSE(counts_processes_by_namespace(release)) << release;
}

}  // namespace
}  // namespace millrace::executor
