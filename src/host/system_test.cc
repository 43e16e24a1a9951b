// Files, processes, paths, log, randomness: against the real system.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "host/base64.h"
#include "host/file.h"
#include "host/json.h"
#include "host/limits.h"
#include "host/log.h"
#include "host/paths.h"
#include "host/process.h"
#include "host/scheduling.h"
#include "host/sha256.h"
#include "host/system_clock.h"
#include "host/system_rng.h"

namespace millrace::host {
namespace {

using std::chrono::milliseconds;

class HostSystem : public testing::Test {
 protected:
  HostSystem() {
    char name[] = "/tmp/millrace-host-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~HostSystem() override { static_cast<void>(remove_tree(folder_)); }
  std::string folder_;
};

TEST_F(HostSystem, AtomicWriteReplacesTheWholeFileAndLeavesNothingBehind) {
  const std::string path = folder_ + "/file";
  ASSERT_TRUE(write_file_atomic(path, "first", 0600));
  ASSERT_TRUE(write_file_atomic(path, "second", 0640));
  EXPECT_EQ(*read_file(path), "second");
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
  EXPECT_EQ(list_dir(folder_)->size(), 1U);
  ASSERT_TRUE(write_file_unsynced(path, "third", 0600));
  EXPECT_EQ(*read_file(path), "third");
  EXPECT_FALSE(write_file_atomic(folder_ + "/absent/file", "x"));
}

TEST_F(HostSystem, ReadFileStopsAtTheLimitAndNamesThePath) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/file", "12345"));
  EXPECT_TRUE(read_file(folder_ + "/file", 5));
  EXPECT_EQ(read_file(folder_ + "/file", 4).error().code, ErrorCode::kExhausted);
  const auto absent = read_file(folder_ + "/absent");
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
  EXPECT_NE(absent.error().message.find(folder_ + "/absent"), std::string::npos);
}

TEST_F(HostSystem, RemoveTreeDoesNotFollowLinks) {
  ASSERT_TRUE(make_dirs(folder_ + "/a/b/c", 0700));
  ASSERT_TRUE(write_file_atomic(folder_ + "/kept", "x"));
  std::filesystem::create_symlink(folder_ + "/kept", folder_ + "/a/b/link");
  std::filesystem::create_directory_symlink(folder_, folder_ + "/a/up");
  ASSERT_TRUE(remove_tree(folder_ + "/a"));
  EXPECT_FALSE(exists(folder_ + "/a"));
  EXPECT_TRUE(exists(folder_ + "/kept"));
  EXPECT_TRUE(remove_tree(folder_ + "/a"));
}

TEST_F(HostSystem, LockIsHeldUntilTheDescriptorCloses) {
  auto held = lock_file(folder_ + "/lock");
  ASSERT_TRUE(held);
  EXPECT_EQ(lock_file(folder_ + "/lock").error().code, ErrorCode::kConflict);
  held->reset();
  EXPECT_TRUE(lock_file(folder_ + "/lock"));
}

TEST_F(HostSystem, DigestsMatchKnownValues) {
  // FIPS 180-2 appendix B.1.
  constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(sha256_hex("abc"), kAbc);
  ASSERT_TRUE(write_file_atomic(folder_ + "/abc", "abc"));
  const auto digest = sha256_file(folder_ + "/abc");
  ASSERT_TRUE(digest);
  EXPECT_EQ(digest->sha256, kAbc);
  EXPECT_EQ(digest->size_bytes, 3);
  // RFC 4648 section 10.
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64_url("\xFB\xFF"), "-_8");
}

TEST_F(HostSystem, RunsAProgramAndCollectsItsOutput) {
  const auto ran = run_process({.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}}, milliseconds(5000));
  ASSERT_TRUE(ran) << ran.error().message;
  EXPECT_EQ(ran->exit_code, 3);
  EXPECT_EQ(ran->out, "out\n");
  EXPECT_EQ(ran->err, "err\n");
  EXPECT_EQ(run_process({.argv = {"sh", "-c", "kill -9 $$"}}, milliseconds(5000))->exit_code, 137);
  const auto large = run_process({.argv = {"sh", "-c", "head -c 100000 /dev/zero"}}, milliseconds(5000), 10);
  EXPECT_EQ(large->out.size(), 10U);
}

TEST_F(HostSystem, AProgramThatCannotStartIsAnErrorAtOnce) {
  EXPECT_EQ(spawn({.argv = {"/nonexistent/program"}}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(spawn({.argv = {"no-such-program-anywhere"}}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(spawn_daemon({.argv = {"/nonexistent/program"}}).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(spawn({.argv = {"true"}, .cwd = "/nonexistent"}));
  EXPECT_FALSE(spawn({}));
}

TEST_F(HostSystem, TimeoutEndsTheWholeGroup) {
  const auto start = std::chrono::steady_clock::now();
  const auto ran = run_process({.argv = {"sh", "-c", "sleep 60 & sleep 60"}}, milliseconds(200));
  EXPECT_EQ(ran.error().code, ErrorCode::kTimeout);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST_F(HostSystem, PassesOnlyTheDescriptorsNamed) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/file", "content"));
  const Fd leaked(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC on purpose
  const Fd file(::open((folder_ + "/file").c_str(), O_RDONLY | O_CLOEXEC));
  const auto ran =
      run_process({.argv = {"sh", "-c", "cat <&7; ls /proc/self/fd | wc -l"}, .pass_fds = {{file.get(), 7}}},
                  milliseconds(5000));
  ASSERT_TRUE(ran);
  // ls sees 0, 1, 2, 7 and the folder it reads.
  EXPECT_EQ(ran->out, "content5\n");
}

TEST_F(HostSystem, TheEnvironmentIsWhatIsGiven) {
  const auto ran = run_process({.argv = {"/usr/bin/env"}, .env = {{"A=1", "B=2"}}}, milliseconds(5000));
  EXPECT_EQ(ran->out, "A=1\nB=2\n");
}

TEST_F(HostSystem, ADaemonLeadsItsOwnSessionAndIsNotOurChild) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const auto pid = spawn_daemon({.argv = {"sleep", "60"}});
  ASSERT_TRUE(pid) << pid.error().message;
  EXPECT_EQ(::getsid(*pid), *pid);
  const auto start = process_start_ticks(*pid);
  ASSERT_TRUE(start);
  EXPECT_GT(*start, 0);
  EXPECT_EQ(*process_start_ticks(*pid), *start);
  ::kill(*pid, SIGKILL);
  EXPECT_EQ(::waitpid(*pid, nullptr, 0), *pid);  // adopted by this subreaper
  EXPECT_EQ(process_start_ticks(*pid).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(process_cpu_time(*pid).error().code, ErrorCode::kNotFound);
}

TEST_F(HostSystem, CpuTimeGrowsWithWork) {
  const auto before = process_cpu_time(::getpid());
  ASSERT_TRUE(before);
  std::atomic<std::uint64_t> sum = 0;
  for (std::uint64_t i = 0; i < 5'000'000; ++i) sum += i;
  EXPECT_GT(*process_cpu_time(::getpid()), *before);
}

/// $PATH for as long as it lives; null: not set.
class SearchPath {
 public:
  explicit SearchPath(const char* folders) : before_(environment("PATH")) {
    if (folders == nullptr)
      ::unsetenv("PATH");
    else
      ::setenv("PATH", folders, 1);
  }
  SearchPath(const SearchPath&) = delete;
  SearchPath& operator=(const SearchPath&) = delete;
  ~SearchPath() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

TEST_F(HostSystem, AProgramIsFoundByItsPathOrOnThePathOfFolders) {
  const std::string shell = find_program("sh");
  ASSERT_TRUE(shell.starts_with('/')) << shell;
  EXPECT_EQ(::access(shell.c_str(), X_OK), 0);
  EXPECT_EQ(find_program(shell), shell);
  EXPECT_EQ(find_program("no-such-program"), "");
  const std::string tool = folder_ + "/b/tool";
  ASSERT_TRUE(make_dirs(folder_ + "/a/tool")) << "a folder is no program";
  ASSERT_TRUE(make_dirs(folder_ + "/b"));
  ASSERT_TRUE(write_file_atomic(tool, "#!/bin/sh\necho ran\n", 0644));
  const SearchPath two((folder_ + "/a:" + folder_ + "/b").c_str());
  EXPECT_EQ(find_program(tool), "") << "it may not be run";
  EXPECT_EQ(find_program("tool"), "");
  ASSERT_EQ(::chmod(tool.c_str(), 0755), 0);
  EXPECT_EQ(find_program(tool), tool);
  EXPECT_EQ(find_program("tool"), tool);
  EXPECT_EQ(run_process({.argv = {"tool"}}, milliseconds(5000))->out, "ran\n");
}

TEST_F(HostSystem, AProgramThatGoesByItsNameIsStartedByTheLinkThatWasFound) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/tool", "#!/bin/sh\necho \"${0##*/}\"\n", 0755));
  ASSERT_EQ(::symlink("tool", (folder_ + "/other-name").c_str()), 0);
  const SearchPath here(folder_.c_str());
  EXPECT_EQ(find_program("other-name"), folder_ + "/other-name");
  EXPECT_EQ(run_process({.argv = {"other-name"}}, milliseconds(5000))->out, "other-name\n");
}

TEST_F(HostSystem, NoProgramIsTakenFromAFolderThatDependsOnWhereThisProcessIs) {
  ASSERT_TRUE(write_file_atomic(folder_ + "/tool", "#!/bin/sh\n", 0755));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  for (const char* folders : {".", "", ":", ":/usr/bin", "/usr/bin:", "/usr/bin::/bin"}) {
    const SearchPath relative(folders);
    EXPECT_EQ(find_program("tool"), "") << folders;
    EXPECT_EQ(spawn({.argv = {"tool"}}).error().code, ErrorCode::kNotFound) << folders;
  }
  EXPECT_EQ(find_program("./tool"), "./tool") << "said outright";
  std::filesystem::current_path(before);
}

TEST_F(HostSystem, WithoutAPathOfFoldersTheUsualOnesAreLookedIn) {
  for (const char* none : {static_cast<const char*>(nullptr), ""}) {
    const SearchPath unset(none);
    EXPECT_TRUE(find_program("sh").ends_with("/bin/sh"));
    EXPECT_EQ(run_process({.argv = {"sh", "-c", "exit 3"}}, milliseconds(5000))->exit_code, 3);
  }
}

TEST_F(HostSystem, SocketFolderIsStablePrivateAndShort) {
  const auto near = runtime_dir(folder_);
  ASSERT_TRUE(near);
  EXPECT_EQ(*near, folder_ + "/run");
  const std::string deep = folder_ + "/" + std::string(80, 'd');
  ASSERT_TRUE(make_dirs(deep));
  const auto far = runtime_dir(deep);
  ASSERT_TRUE(far) << far.error().message;
  EXPECT_EQ(*far, *runtime_dir(deep));
  EXPECT_LE(far->size(), 53U);
  struct stat info;
  ASSERT_EQ(::stat(far->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  ASSERT_TRUE(remove_tree(*far));
  std::filesystem::create_symlink(folder_, *far);
  EXPECT_EQ(runtime_dir(deep).error().code, ErrorCode::kDenied);
  ASSERT_TRUE(remove_tree(*far));
}

TEST_F(HostSystem, HomeIsAbsoluteAndCanonical) {
  EXPECT_EQ(*home_dir("/a/b/../c/"), "/a/c");
  EXPECT_EQ(*cache_dir("/a/b/../c/"), "/a/c");
  EXPECT_EQ((*home_dir("relative")).front(), '/');
}

TEST_F(HostSystem, LogWritesJsonLinesAndStaysBounded) {
  const SystemClock clock;
  const std::string path = folder_ + "/log";
  auto logger = Logger::create(path, LogLevel::kInfo, "server", clock, 2000);
  ASSERT_TRUE(logger);
  (*logger)->debug("hidden");
  for (int i = 0; i < 100; ++i)
    (*logger)->info("tick", {{"n", i}, {"text", "a\"b\n"}, {"ok", true}, {"x", 0.5}});
  (*logger)->error("broken", Error{ErrorCode::kTimeout, "no answer"});
  const auto text = *read_file(path);
  EXPECT_LE(text.size(), 2000U);
  EXPECT_LE(read_file(path + ".1")->size(), 2000U);
  std::size_t at = 0, lines = 0;
  for (std::size_t end; (end = text.find('\n', at)) != std::string::npos; at = end + 1, ++lines) {
    const auto line = parse_json(std::string_view(text).substr(at, end - at));
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->at("role").as_string(), "server");
  }
  EXPECT_GT(lines, 3U);
  EXPECT_EQ(text.find("hidden"), std::string::npos);
  EXPECT_NE(text.find("\"code\":\"timeout\",\"message\":\"no answer\""), std::string::npos);
}

TEST_F(HostSystem, RandomNumbersDoNotRepeatAcrossAFork) {
  SystemRng rng;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(rng.next()).second);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::uint64_t value = rng.next();
    ::_exit(::write(ends[1], &value, sizeof value) == sizeof value ? 0 : 1);
  }
  const std::uint64_t mine = rng.next();
  std::uint64_t theirs = 0;
  ASSERT_EQ(::read(ends[0], &theirs, sizeof theirs), static_cast<ssize_t>(sizeof theirs));
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_NE(mine, theirs);
}

TEST_F(HostSystem, AThreadInTheBackgroundIsABatchThreadAndLeavesTheOthersAsTheyAre) {
  int policy = -1;
  std::thread([&] {
    run_in_background();
    policy = ::sched_getscheduler(0);
  }).join();
  EXPECT_EQ(policy, SCHED_BATCH);
  EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
}

TEST_F(HostSystem, AThreadThatGivesWayHasItsShareAgainWhenItIsHurriedOrDone) {
  std::array<int, 4> policy{};
  std::thread([&] {
    run_in_background();
    {
      GiveWay way;
      way.begin();
      policy[0] = ::sched_getscheduler(0);
      std::thread([&] { way.hurry(); }).join();
      policy[1] = ::sched_getscheduler(0);
    }
    {
      GiveWay way;
      way.hurry();
      way.begin();
      policy[2] = ::sched_getscheduler(0);
    }
    {
      GiveWay way;
      way.begin();
    }
    policy[3] = ::sched_getscheduler(0);
  }).join();
  if (policy[0] != SCHED_IDLE) GTEST_SKIP() << "the system lets no thread come back from SCHED_IDLE";
  EXPECT_EQ(policy, (std::array{SCHED_IDLE, SCHED_BATCH, SCHED_BATCH, SCHED_BATCH}));
}

TEST_F(HostSystem, OpenFileLimitIsRaisedToTheHardOne) {
  const auto limit = raise_open_files();
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->soft, limit->hard);
}

}  // namespace
}  // namespace millrace::host
