// What a workload takes with all its processes together: held by a control group, or by looking where there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "executor/local/world_for_tests.h"

namespace millrace::executor {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kMiB = 1 << 20;

class Together : public LocalWorld {
 protected:
  // Ends with 1 if one of its children did not end well.
  static WorkloadSpec python(const std::string& child, int children) {
    const std::string program =
        "import os, mmap, time, sys\n"
        "shared = bytearray(b'x') * (100 << 20)\n"
        "pids = []\n"
        "for i in range(" +
        std::to_string(children) +
        "):\n"
        "  try: pid = os.fork()\n"
        "  except OSError: print('refused', flush=True); break\n"
        "  if pid == 0:\n"
        "    " +
        child +
        "\n"
        "    os._exit(0)\n"
        "  pids.append(pid)\n"
        "bad = [p for p in pids if os.waitpid(p, 0)[1] != 0]\n"
        "print('all ended', flush=True)\n"
        "sys.exit(1 if bad else 0)\n";
    return {.id = "w", .root = "/", .argv = {"python3", "-c", program}};
  }
  ExitRecord exit_of() { return executor_->status("w")->exit.value_or(ExitRecord{.code = 99}); }
  Limits limits() { return executor_->status("w")->limits; }
};

TEST_F(Together, MemoryOfManyProcessesIsOneSum) {
  WorkloadSpec spec = python("own = bytearray(b'y') * (60 << 20); time.sleep(5)", 8);
  spec.resources.memory_bytes = 300 * kMiB;
  run(spec);
  EXPECT_EQ(exit_of().cause, ExitCause::kMemory) << output();
  EXPECT_THAT(output(), HasSubstr("the memory limit of 314572800 bytes"));
  EXPECT_EQ(limits().memory_bytes, 300 * kMiB);
}

TEST_F(Together, WhatProcessesShareCountsOnce) {
  WorkloadSpec spec = python("time.sleep(1.5)", 6);
  spec.resources.memory_bytes = 300 * kMiB;
  EXPECT_EQ(run(spec), "all ended\n");
  EXPECT_EQ(exit_of().cause, ExitCause::kItself);
}

TEST_F(Together, FilesInMemoryAndMemoryThatIsSharedCount) {
  for (const char* use :
       {"f = open('/dev/shm/x', 'wb'); [f.write(b'x' * (1 << 20)) for i in range(300)]; time.sleep(5)",
        "f = open('/tmp/x', 'wb'); [f.write(b'x' * (1 << 20)) for i in range(300)]; time.sleep(5)",
        "m = mmap.mmap(-1, 300 << 20); [m.write(b'x' * (1 << 20)) for i in range(300)]; time.sleep(5)"}) {
    WorkloadSpec spec = python(use, 1);
    spec.resources.memory_bytes = 300 * kMiB;
    spec.scratch_bytes = 1024 * kMiB;
    run(spec);
    EXPECT_EQ(exit_of().cause, ExitCause::kMemory) << use << output();
    ASSERT_TRUE(soon([&] { return executor_->remove("w").has_value(); }));
  }
}

TEST_F(Together, NoMoreProcessesThanAllowed) {
  WorkloadSpec spec = python("time.sleep(2)", 40);
  spec.resources.pids = 16;
  const std::string out = run(spec);
  EXPECT_EQ(limits().pids, 16);
  if (exit_of().cause == ExitCause::kProcesses) {
    EXPECT_EQ(limits().kind, "rlimits");
    EXPECT_THAT(out, HasSubstr("more than 16 processes"));
  } else {
    EXPECT_THAT(out, HasSubstr("refused"));
  }
}

TEST_F(Together, ProcessorTimeOfAllOfThemIsToldWhileItRuns) {
  ASSERT_TRUE(executor_->start(
      shell("for n in 1 2; do (i=0; while :; do i=$((i+1)); done) & done; echo up; exec sleep 1000"), 1));
  EXPECT_TRUE(soon([&] { return executor_->status("w")->cpu_time_us > 300'000; }));
}

}  // namespace
}  // namespace millrace::executor
