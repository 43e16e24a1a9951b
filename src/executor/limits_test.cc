// What a workload is given and what ends it, with real processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include "executor/disk_use.h"
#include "executor/local/world_for_tests.h"
#include "executor/sandbox.h"
#include "host/process.h"

namespace millrace::executor {
namespace {

using testing::HasSubstr;

class LimitsTest : public LocalWorld {
 protected:
  /// A folder that outlives runs, mounted writable at /job, where the script starts.
  WorkloadSpec in_folder(const std::string& script) {
    EXPECT_TRUE(make_sandbox_folder(job_folder()));
    WorkloadSpec spec = shell(script);
    spec.mounts = {{job_folder(), "/job", true}};
    spec.workdir = "/job";
    return spec;
  }
  std::string job_folder() const { return folder_ + "/jobs/17/dir"; }
  ExitRecord exit_of() { return executor_->status("w")->exit.value_or(ExitRecord{.code = 99}); }
  bool printed(const std::string& text) {
    return soon([&] { return output().contains(text); });
  }
};

TEST_F(LimitsTest, TheProgramStartsInItsWorkingFolderAndWritesThere) {
  EXPECT_EQ(run(in_folder("pwd; echo grain > flour; id -u")), "/job\n65534\n");
  EXPECT_EQ(host::read_file(job_folder() + "/flour").value(), "grain\n");
  struct stat info{};
  ASSERT_EQ(::stat(job_folder().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u) << "no other user of the host may look in";
}

TEST_F(LimitsTest, AWorkingFolderThatIsNotThereEndsItAsNotStarted) {
  WorkloadSpec spec = shell("echo ran");
  spec.workdir = "/no/such/folder";
  EXPECT_THAT(run(spec), HasSubstr("/no/such/folder"));
  EXPECT_EQ(exit_of().cause, ExitCause::kNotStarted);
  EXPECT_EQ(exit_of().code, 127);
}

TEST_F(LimitsTest, ItsOwnExitStatusIsToldExactly) {
  for (const int code : {0, 1, 127, 130, 137, 255}) {
    run(shell("exit " + std::to_string(code)));
    EXPECT_EQ(exit_of().code, code);
    EXPECT_EQ(exit_of().signal, 0);
    EXPECT_EQ(exit_of().cause, ExitCause::kItself);
  }
  run(shell("kill -KILL $$"));
  EXPECT_EQ(exit_of().code, -1);
  EXPECT_EQ(exit_of().signal, SIGKILL);
}

TEST_F(LimitsTest, ItsWholeProcessTreeEndsWithTheProgram) {
  run(shell("setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.05; done' & echo started"));
  const auto status = executor_->status("w");
  EXPECT_EQ(status->exit->code, 0);
  EXPECT_EQ(status->exit->cause, ExitCause::kItself);
}

TEST_F(LimitsTest, CpuTimeOfAllItsProcessesIsInTheExitRecord) {
  run(shell("sh -c 'i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done' & wait"));
  EXPECT_GT(exit_of().cpu_time_us, 10000);
  EXPECT_GT(exit_of().memory_peak_bytes, 0);
}

TEST_F(LimitsTest, TheTimeLimitStopsItWithItsGrace) {
  WorkloadSpec spec = shell("trap 'echo saved; exit 5' TERM; while :; do sleep 0.02; done");
  spec.time_limit = milliseconds(300);
  spec.grace = milliseconds(20000);
  EXPECT_THAT(run(spec), HasSubstr("saved"));
  EXPECT_EQ(exit_of().cause, ExitCause::kTimeLimit);
  EXPECT_EQ(exit_of().code, 5);
  EXPECT_FALSE(exit_of().asked);
}

TEST_F(LimitsTest, TheCheckpointSignalComesFirstAndSigtermInTheMiddleOfTheGrace) {
  WorkloadSpec spec = shell(
      "trap 'echo saving' USR1; trap 'echo leaving; exit 3' TERM; echo up; while :; do sleep 0.02; done");
  spec.stop_signal = SIGUSR1;
  ASSERT_TRUE(executor_->start(spec, 1));
  ASSERT_TRUE(printed("up"));
  ASSERT_TRUE(executor_->stop("w", milliseconds(1000)));
  ASSERT_TRUE(printed("saving"));
  EXPECT_EQ(executor_->status("w")->state, WorkloadState::kStopping);
  wait_end();
  EXPECT_EQ(output(), "up\nsaving\nleaving\n");
  EXPECT_EQ(exit_of().code, 3);
  EXPECT_EQ(exit_of().cause, ExitCause::kAsked);
}

TEST_F(LimitsTest, ASecondStopOnlyShortensTheGrace) {
  ASSERT_TRUE(executor_->start(shell("trap '' TERM; echo up; while :; do sleep 0.02; done"), 1));
  ASSERT_TRUE(printed("up"));
  ASSERT_TRUE(executor_->stop("w", milliseconds(600000)));
  ASSERT_TRUE(executor_->stop("w", milliseconds(100)));
  ASSERT_TRUE(executor_->stop("w", milliseconds(600000)));
  EXPECT_EQ(wait_end().exit->signal, SIGKILL);
}

TEST_F(LimitsTest, TooMuchDiskEndsIt) {
  WorkloadSpec spec = in_folder("mkdir -p a/b; head -c 6000000 /dev/zero > a/b/big; exec sleep 1000");
  spec.disk_bytes = 4 << 20;
  EXPECT_THAT(run(spec), HasSubstr("the limit is 4194304"));
  EXPECT_EQ(exit_of().cause, ExitCause::kDisk);
}

TEST_F(LimitsTest, DiskThatFillsFastIsLookedAtSoon) {
  WorkloadSpec spec =
      in_folder("i=0; while [ $i -lt 400 ]; do head -c 1000000 /dev/zero > $i; i=$((i+1)); sleep 0.01; done");
  spec.disk_bytes = 16 << 20;
  run(spec);
  EXPECT_EQ(exit_of().cause, ExitCause::kDisk);
  EXPECT_LT(host::list_dir(job_folder())->size(), 200U) << "it wrote many times its limit";
}

TEST_F(LimitsTest, TheScratchIsAFileSystemOfItsOwnSize) {
  WorkloadSpec spec = shell(
      "head -c 5000000 /dev/zero > /tmp/x 2>/dev/null && echo fits || echo full; "
      "head -c 1000 /dev/zero > /dev/shm/y && echo shared; touch /dev/z 2>/dev/null || echo no");
  spec.scratch_bytes = 2 << 20;
  EXPECT_EQ(run(spec), "full\nshared\nno\n");
}

TEST_F(LimitsTest, MemoryThatIsUsedUpIsNamedAsTheCause) {
  WorkloadSpec spec = shell("head -c 300m /dev/zero | tail -c 299m > /dev/null; exit $?");
  spec.resources.memory_bytes = 48 << 20;
  run(spec);
  if (executor_->status("w")->limits.kind == "rlimits") GTEST_SKIP() << "only a control group tells";
  EXPECT_EQ(exit_of().cause, ExitCause::kMemory) << output();
  EXPECT_THAT(output(), HasSubstr("50331648"));
  EXPECT_GT(exit_of().memory_peak_bytes, 30 << 20);
}

TEST_F(LimitsTest, OneProcessIsEnoughForOneProgram) {
  WorkloadSpec spec = shell("echo alone");
  spec.resources.pids = 1;
  EXPECT_EQ(run(spec), "alone\n");
}

TEST_F(LimitsTest, NoMoreProcessesThanAllowed) {
  WorkloadSpec spec = shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo all");
  spec.resources.pids = 8;
  const std::string out = run(spec);
  if (executor_->status("w")->limits.pids == 0) GTEST_SKIP() << "no control group counts processes here";
  EXPECT_THAT(out, testing::Not(HasSubstr("all\n")));
}

TEST_F(LimitsTest, ABoundedLogSaysThatItsOldestPartIsGone) {
  WorkloadSpec spec = shell("i=0; while [ $i -lt 3000 ]; do echo line $i of a long story; i=$((i+1)); done");
  spec.log_max_bytes = 20000;
  run(spec);
  const auto log = executor_->log("w", 0, 1 << 20);
  const auto first_end = log->text.find('\n') + 1;
  EXPECT_EQ(log->text.substr(0, first_end), "[supervisor] the log is limited: its oldest part, up to byte " +
                                                std::to_string(log->from) + ", was dropped\n");
  const std::string kept = log->text.substr(first_end);
  EXPECT_THAT(kept, testing::StartsWith("line ")) << "it begins within a line";
  EXPECT_THAT(kept, HasSubstr("line 2999 of a long story\n"));
  EXPECT_THAT(kept, testing::Not(HasSubstr("[supervisor]")));
  EXPECT_LE(kept.size(), 20000u);
  EXPECT_GT(kept.size(), 17000u);
  EXPECT_EQ(log->next, log->from + static_cast<std::int64_t>(kept.size()));
  EXPECT_EQ(executor_->log("w", log->from, 1 << 20)->text, kept) << "who has read on is not told again";
}

TEST_F(LimitsTest, SecretsAreFilesInMemoryForTheWorkloadAlone) {
  WorkloadSpec spec = shell("stat -c '%a %u' /run/secrets/key; cat /run/secrets/key; exec sleep 1000");
  spec.secrets = {{"/run/secrets/key", "swordfish"}, {"/etc/token", std::string("a\0b", 3)}};
  ASSERT_TRUE(executor_->start(spec, 1));
  ASSERT_TRUE(printed("swordfish"));
  EXPECT_EQ(output(), "400 65534\nswordfish");
  const auto grep =
      host::run_process({.argv = {"grep", "-r", "-l", "swordfish", folder_ + "/replicas/w/spec.json",
                                  folder_ + "/replicas/w/state.json", folder_ + "/run"}},
                        std::chrono::seconds(10));
  EXPECT_EQ(grep->out, "") << "on disk";
  for (const std::string& pid : *host::list_dir("/proc")) {
    const std::string words = host::read_file("/proc/" + pid + "/cmdline").value_or("");
    EXPECT_FALSE(words.contains("swordfish") && !words.contains("grep")) << words;
  }
}

class ArchiveTest : public LimitsTest {
 protected:
  /// Runs python3 statements that add to the open tar `t`.
  void make_archive(const std::string& statements) {
    const std::string program =
        "import tarfile, io, sys\n"
        "t = tarfile.open(sys.argv[1], 'w')\n"
        "def f(name, text, **more):\n"
        "  i = tarfile.TarInfo(name); i.size = len(text)\n"
        "  for k, v in more.items(): setattr(i, k, v)\n"
        "  t.addfile(i, io.BytesIO(text.encode()))\n" +
        statements + "\nt.close()\n";
    const auto made =
        host::run_process({.argv = {"python3", "-c", program, archive()}}, std::chrono::seconds(20));
    ASSERT_TRUE(made && made->exit_code == 0) << (made ? made->err : made.error().message);
  }
  std::string archive() const { return folder_ + "/a.tar"; }
  WorkloadSpec with_archive(const std::string& script) {
    WorkloadSpec spec = in_folder(script);
    spec.unpack_archive = archive();
    return spec;
  }
};

TEST_F(ArchiveTest, ItIsUnpackedOnceForTheProgram) {
  make_archive("f('train.py', 'one'); f('sub/x', 'two', mode=0o4755, uid=0, gid=0)");
  EXPECT_EQ(run(with_archive("cat train.py sub/x; stat -c '%a %u' sub/x; echo more >> train.py")),
            "onetwo755 65534\n");
  run(with_archive("echo; cat train.py"));
  EXPECT_THAT(output(), HasSubstr("onemore\n")) << "what the first run wrote must stand";
}

TEST_F(ArchiveTest, ABrokenOneEndsItAsNotStarted) {
  ASSERT_TRUE(host::write_file_atomic(archive(), "this is no tar, not even a short one"));
  EXPECT_THAT(run(with_archive("echo ran")), HasSubstr("the archive could not be unpacked"));
  EXPECT_THAT(output(), testing::Not(HasSubstr("ran\n")));
  EXPECT_EQ(exit_of().cause, ExitCause::kNotStarted);
  ASSERT_EQ(::unlink(archive().c_str()), 0);
  EXPECT_THAT(run(with_archive("echo ran")), HasSubstr("open the archive"));
  EXPECT_EQ(exit_of().cause, ExitCause::kNotStarted);
}

TEST_F(ArchiveTest, NothingIsWrittenOutsideTheWorkingFolder) {
  const std::string escapes[] = {
      "f('../outside', 'x')",
      "f('a/../../outside', 'x')",
      "f('/data/outside', 'x')",
      "f('l', '', type=tarfile.SYMTYPE, linkname='/data'); f('l/outside', 'x')",
      "f('l', '', type=tarfile.SYMTYPE, linkname='..'); f('l/outside', 'x')",
      "f('h', '', type=tarfile.LNKTYPE, linkname='/data/seed'); f('h', 'outside')"};
  for (const std::string& escape : escapes) {
    ASSERT_TRUE(host::remove_tree(folder_ + "/jobs"));
    make_archive(escape);
    ASSERT_TRUE(executor_->start(with_archive("ls /data | grep -c outside; exec sleep 1000"), 1));
    ASSERT_TRUE(soon([&] {
      const auto status = executor_->status("w");
      return !output().empty() && (status->state == WorkloadState::kExited || status->engine_pid > 0);
    }));
    EXPECT_THAT(output(), testing::Not(HasSubstr("1\n"))) << escape;
    EXPECT_FALSE(host::exists(folder_ + "/jobs/17/outside")) << escape;
    (void)executor_->stop("w", milliseconds(0));
    wait_end();
    ASSERT_TRUE(soon([&] { return executor_->remove("w").has_value(); }));
  }
}

TEST_F(ArchiveTest, DevicesAreNotMade) {
  make_archive("f('null', '', type=tarfile.CHRTYPE, devmajor=1, devminor=3)");
  run(with_archive("echo ran"));
  EXPECT_EQ(exit_of().cause, ExitCause::kNotStarted);
  EXPECT_FALSE(host::exists(job_folder() + "/null"));
}

TEST(DiskUse, CountsATreeInPiecesWithoutFollowingLinks) {
  char name[] = "/tmp/mr-disk-XXXXXX";
  const std::string folder = mkdtemp(name);
  ASSERT_TRUE(host::make_dirs(folder + "/a/b"));
  ASSERT_TRUE(host::write_file_atomic(folder + "/a/one", std::string(100'000, 'x')));
  ASSERT_TRUE(host::write_file_atomic(folder + "/a/b/two", std::string(50'000, 'x')));
  ASSERT_EQ(::link((folder + "/a/one").c_str(), (folder + "/a/b/again").c_str()), 0);
  ASSERT_EQ(::symlink("/usr", (folder + "/a/usr").c_str()), 0);
  DiskUse use({folder, folder + "/absent"});
  int steps = 1;
  while (!use.step(2)) ++steps;
  EXPECT_GT(steps, 2);
  EXPECT_GE(use.bytes(), 150'000);
  EXPECT_LT(use.bytes(), 250'000);
  const std::int64_t first = use.bytes();
  while (!use.step(1000)) {
  }
  EXPECT_EQ(use.bytes(), first);
  std::string deep = folder;
  for (std::size_t i = 0; i <= DiskUse::kMaxDepth; ++i) deep += "/d";
  ASSERT_TRUE(host::make_dirs(deep));
  while (!use.step(1000)) {
  }
  EXPECT_TRUE(use.too_deep());
  ASSERT_TRUE(host::remove_tree(folder));
}

}  // namespace
}  // namespace millrace::executor
