// The sandbox and its supervisor, with real processes.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "executor/cgroup.h"
#include "executor/local/world_for_tests.h"
#include "executor/protocol.h"
#include "executor/spec.h"
#include "host/fd.h"
#include "host/file.h"
#include "host/process.h"
#include "host/sha256.h"

namespace millrace::executor {
namespace {

using std::chrono::milliseconds;

class SupervisorTest : public LocalWorld {};

std::optional<ErrorCode> code_of(const Result<WorkloadStatus>& status) {
  return status ? std::nullopt : std::optional(status.error().code);
}

bool lives(int pid) { return host::process_start_ticks(pid).has_value(); }

TEST_F(SupervisorTest, TheExitStatusIsRecorded) {
  run(shell("exit 3"));
  const auto status = executor_->status("w");
  ASSERT_TRUE(status && status->exit);
  EXPECT_EQ(status->exit->code, 3);
  EXPECT_EQ(status->exit->signal, 0);
  EXPECT_FALSE(status->exit->asked);
}

TEST_F(SupervisorTest, TheWorkloadIsNobodyWithoutPowerOrNetwork) {
  const std::string out =
      run(shell("grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|CapBnd|NoNewPrivs)' /proc/self/status; "
                "grep -c : /proc/net/dev; ls /; cat /etc/shadow; env | sort"));
  EXPECT_NE(out.find("Uid:\t65534\t65534\t65534\t65534\n"), std::string::npos) << out;
  EXPECT_NE(out.find("Gid:\t65534"), std::string::npos);
  EXPECT_NE(out.find("CapEff:\t0000000000000000"), std::string::npos) << out;
  EXPECT_NE(out.find("CapPrm:\t0000000000000000"), std::string::npos);
  EXPECT_NE(out.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(out.find("\n1\n"), std::string::npos) << "only the loopback device: " << out;
  EXPECT_EQ(out.find("home"), std::string::npos) << out;
  EXPECT_EQ(out.find("root:"), std::string::npos);
  EXPECT_EQ(out.find("HOME=/root"), std::string::npos) << "the environment must not be inherited";
}

TEST_F(SupervisorTest, TheWorkloadIsAnotherUserForTheHostToo) {
  if (geteuid() != 0) GTEST_SKIP() << "only a root supervisor can change user";
  ASSERT_TRUE(executor_->start(shell("exec sleep 1000"), 1));
  const WorkloadStatus status = wait_running();
  std::string text;
  EXPECT_TRUE(soon([&] {
    text = host::read_file("/proc/" + std::to_string(status.engine_pid) + "/status", 65536).value_or("");
    return text.contains("Uid:\t65534\t65534");
  })) << text;
}

TEST_F(SupervisorTest, OnlyDataAndTmpCanBeWritten) {
  const std::string out = run(shell(
      "for d in / /usr /etc /data /tmp /m; do touch $d/x 2>/dev/null && echo yes:$d || echo no:$d; done"));
  EXPECT_EQ(out, "no:/\nno:/usr\nno:/etc\nyes:/data\nyes:/tmp\nno:/m\n");
}

TEST_F(SupervisorTest, AMountIsReadButNotWritten) {
  ASSERT_TRUE(host::write_file_atomic(folder_ + "/secret model", "grain", 0644));
  WorkloadSpec spec = shell("cat /model/m.gguf; echo x > /model/m.gguf && echo wrote");
  spec.mounts = {{folder_ + "/secret model", "/model/m.gguf", false}};
  const std::string out = run(spec);
  EXPECT_TRUE(out.starts_with("grain")) << out;
  EXPECT_EQ(out.find("wrote\n"), std::string::npos);
  EXPECT_EQ(host::read_file(folder_ + "/secret model").value(), "grain");
}

TEST_F(SupervisorTest, ASocketInDataIsReachableFromTheHost) {
  ASSERT_TRUE(executor_->start(shell("echo ready > /data/here; exec sleep 1000"), 1));
  const std::string data = wait_running().data_dir;
  EXPECT_TRUE(soon([&] { return host::read_file(data + "/here").value_or("") == "ready\n"; }));
  EXPECT_LT((data + "/engine.sock").size(), 108u);
}

TEST_F(SupervisorTest, KillingTheSupervisorEndsTheWorkload) {
  ASSERT_TRUE(executor_->start(shell("sleep 1000 & exec sleep 1000"), 1));
  const WorkloadStatus status = wait_running();
  ASSERT_EQ(::kill(status.supervisor_pid, SIGKILL), 0);
  EXPECT_TRUE(soon([&] { return !lives(status.engine_pid); }));
  EXPECT_EQ(wait_end().state, WorkloadState::kLost);
  ASSERT_TRUE(executor_->remove("w"));
  const std::string group = cgroup_name(folder_ + "/replicas/w");
  for (const char* place : {"", "/memory", "/cpu", "/pids"})
    EXPECT_FALSE(host::exists(std::string("/sys/fs/cgroup") + place + "/" + group))
        << "left behind in " << place;
}

TEST_F(SupervisorTest, WhatALostWorkloadUsedIsKnownUpToShortlyBeforeItsEnd) {
  ASSERT_TRUE(executor_->start(shell("while :; do :; done"), 1));
  const WorkloadStatus status = wait_running();
  const auto kept = [&] { return host::read_file(folder_ + "/replicas/w/state.json").value_or(""); };
  const std::string first = kept();
  ASSERT_TRUE(soon([&] { return kept() != first; })) << "what is kept follows the workload";
  ASSERT_EQ(::kill(status.supervisor_pid, SIGKILL), 0);
  ASSERT_TRUE(soon([&] { return !lives(status.engine_pid); }));
  const WorkloadStatus lost = wait_end();
  EXPECT_EQ(lost.state, WorkloadState::kLost);
  EXPECT_GE(lost.seen_at - lost.started_at, milliseconds(300));
  EXPECT_GT(lost.cpu_time_us, 0);
}

TEST_F(SupervisorTest, ANewExecutorAdoptsWhatRuns) {
  WorkloadSpec spec = shell("exec sleep 1000");
  spec.labels = {{"generation", "g1"}};
  ASSERT_TRUE(executor_->start(spec, 1));
  const WorkloadStatus before = wait_running();
  executor_ = make();
  const auto all = executor_->list();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ((*all)[0].engine_pid, before.engine_pid);
  EXPECT_EQ((*all)[0].labels, spec.labels);
  EXPECT_TRUE(lives(before.engine_pid));
  ASSERT_TRUE(executor_->stop("w", milliseconds(5000))) << "the adopted one obeys";
  EXPECT_TRUE(wait_end().exit->asked);
}

TEST_F(SupervisorTest, WhatCannotBeAskedNowIsNotLostAndNotStartedAgain) {
  WorkloadSpec spec = shell("exec sleep 1000");
  spec.labels = {{"generation", "g1"}};
  ASSERT_TRUE(executor_->start(spec, 1));
  const WorkloadStatus before = wait_running();
  const std::string folder = folder_ + "/replicas/w";
  const std::string socket = folder_ + "/run/" + host::sha256_hex("w").substr(0, 12) + ".sock";
  ASSERT_EQ(::rename(socket.c_str(), (socket + "-").c_str()), 0);
  ASSERT_EQ(::rename((folder + "/lock").c_str(), (folder + "/lock-").c_str()), 0);
  ASSERT_TRUE(host::make_dirs(folder + "/lock", 0700));  // it can be neither opened nor taken
  EXPECT_EQ(code_of(executor_->status("w")), ErrorCode::kUnavailable);
  EXPECT_FALSE(executor_->start(spec, 1));
  ASSERT_TRUE(host::remove_tree(folder + "/state.json"));
  const auto all = executor_->list();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ(all->front().labels, spec.labels);
  ASSERT_TRUE(host::remove_tree(folder + "/lock"));
  ASSERT_EQ(::rename((folder + "/lock-").c_str(), (folder + "/lock").c_str()), 0);
  ASSERT_EQ(::rename((socket + "-").c_str(), socket.c_str()), 0);
  EXPECT_EQ(executor_->status("w")->supervisor_pid, before.supervisor_pid);
}

TEST_F(SupervisorTest, AnEndThatCannotBeReadNowIsNotALoss) {
  ASSERT_TRUE(executor_->start(shell("exit 3"), 1));
  ASSERT_EQ(wait_end().exit->code, 3);
  const std::string record = folder_ + "/replicas/w/exit.json";
  ASSERT_EQ(::rename(record.c_str(), (record + "-").c_str()), 0);
  ASSERT_TRUE(host::make_dirs(record, 0700));
  EXPECT_EQ(code_of(executor_->status("w")), ErrorCode::kUnavailable);
  ASSERT_TRUE(host::remove_tree(record));
  ASSERT_EQ(::rename((record + "-").c_str(), record.c_str()), 0);
  EXPECT_EQ(executor_->status("w")->exit->code, 3);
}

// The process that starts a workload (the server's part) is killed; the workload must not notice.
TEST_F(SupervisorTest, KillingTheStarterLeavesTheWorkload) {
  const pid_t starter = ::fork();
  ASSERT_GE(starter, 0);
  if (starter == 0) {
    const auto mine = make();
    _exit(mine->start(shell("exec sleep 1000"), 1) ? (::raise(SIGKILL), 0) : 1);
  }
  int wait_status = 0;
  ASSERT_EQ(::waitpid(starter, &wait_status, 0), starter);
  ASSERT_TRUE(WIFSIGNALED(wait_status));
  const WorkloadStatus status = wait_running();
  EXPECT_TRUE(lives(status.engine_pid));
  EXPECT_EQ(status.state, WorkloadState::kRunning);
}

TEST_F(SupervisorTest, AWorkloadThatIgnoresTheRequestIsKilledAfterItsGrace) {
  ASSERT_TRUE(executor_->start(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"), 1));
  ASSERT_TRUE(soon([&] { return !output().empty(); }));
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(executor_->stop("w", milliseconds(300)));
  EXPECT_EQ(executor_->status("w")->state, WorkloadState::kStopping);
  const WorkloadStatus status = wait_end();
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, milliseconds(290));
  EXPECT_LT(took, milliseconds(5000));
  ASSERT_TRUE(status.exit);
  EXPECT_EQ(status.exit->signal, SIGKILL);
}

TEST_F(SupervisorTest, SigtermToTheSupervisorStopsTheWorkloadInOrder) {
  ASSERT_TRUE(
      executor_->start(shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"), 1));
  ASSERT_TRUE(soon([&] { return !output().empty(); }));
  ASSERT_EQ(::kill(wait_running().supervisor_pid, SIGTERM), 0);
  EXPECT_EQ(wait_end().exit->code, 0);
  EXPECT_EQ(output(), "ready\nbye\n");
}

TEST_F(SupervisorTest, ProcessorsArePinnedAndFilesLimited) {
  WorkloadSpec spec = shell("grep Cpus_allowed_list /proc/self/status; ulimit -n; ulimit -c");
  spec.cpus = {0};
  spec.resources.open_files = 77;
  EXPECT_EQ(run(spec), "Cpus_allowed_list:\t0\n77\n0\n");
}

TEST_F(SupervisorTest, AMemoryLimitThatIsReportedHolds) {
  WorkloadSpec spec = shell("echo begin; head -c 400m /dev/zero | tail -c 399m > /dev/null; echo end:$?");
  spec.resources.memory_bytes = 64 << 20;
  const std::string out = run(spec);
  const WorkloadStatus status = *executor_->status("w");
  EXPECT_TRUE(status.limits.kind == "cgroup-v2" || status.limits.kind == "cgroup-v1" ||
              status.limits.kind == "rlimits");
  RecordProperty("limits", status.limits.kind);
  ASSERT_EQ(status.limits.memory_bytes, 64 << 20) << status.limits.kind << out;
  EXPECT_NE(out.find("begin"), std::string::npos);
  EXPECT_EQ(out.find("end:0"), std::string::npos)
      << "400 MiB fitted into a limit of 64 MiB under " << status.limits.kind;
}

TEST_F(SupervisorTest, CpuTimeOfTheWorkloadIsReported) {
  ASSERT_TRUE(executor_->start(shell("i=0; while :; do i=$((i+1)); done"), 1));
  wait_running();
  EXPECT_TRUE(soon([&] { return executor_->status("w")->cpu_time_us >= 50000; }));
}

TEST_F(SupervisorTest, AProgramThatDoesNotExistEndsWithALogThatNamesIt) {
  WorkloadSpec spec = shell("");
  spec.argv = {"no-such-engine"};
  const std::string out = run(spec);
  EXPECT_NE(out.find("no-such-engine"), std::string::npos) << out;
  EXPECT_NE(executor_->status("w")->exit->code, 0);
}

TEST_F(SupervisorTest, ARootOrMountThatDoesNotExistEndsWithALogThatNamesIt) {
  WorkloadSpec spec = shell("echo hi");
  spec.root = "/no/such/root";
  EXPECT_NE(run(spec).find("/no/such/root"), std::string::npos);
  spec.root = "/";
  spec.mounts = {{"/no/such/model", "/model/model.gguf", false}};
  EXPECT_NE(run(spec).find("/no/such/model"), std::string::npos);
  EXPECT_EQ(executor_->status("w")->exit->code, 127);
}

TEST_F(SupervisorTest, TheLogSurvivesARestart) {
  run(shell("echo one"));
  run(shell("echo two"));
  EXPECT_EQ(output(), "one\ntwo\n");
}

// Sends raw bytes to the control socket and returns the answer.
std::string raw(const std::string& path, const std::string& bytes) {
  const host::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return "no connection";
  (void)!::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  std::string out;
  char buffer[4096];
  for (ssize_t got; (got = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<std::size_t>(got));
  return out;
}

TEST_F(SupervisorTest, NonsenseOnTheControlSocketIsAnsweredAndSurvived) {
  ASSERT_TRUE(executor_->start(shell("echo text; exec sleep 1000"), 1));
  const WorkloadStatus status = wait_running();
  const std::string socket = folder_ + "/run/" + host::sha256_hex("w").substr(0, 12) + ".sock";
  for (const std::string& line :
       {std::string("\n"), std::string("{}\n"), std::string("{\"version\":2,\"op\":\"status\"}\n"),
        std::string("{\"version\":1,\"op\":\"fly\"}\n"), std::string(100000, 'x'),
        std::string("{\"version\":1,\"op\":\"stop\",\"grace_ms\":-1}\n"), std::string("\0\n", 2)}) {
    const std::string answer = raw(socket, line);
    EXPECT_TRUE(answer.empty() || answer.find("\"ok\":false") != std::string::npos)
        << line.substr(0, 80) << answer;
  }
  std::string log;  // the workload may not have written yet
  for (int i = 0; i < 1000 && log.find("text\\n") == std::string::npos; ++i) {
    executor_->wait_event(milliseconds(10));
    log = raw(socket, "{\"version\":1,\"op\":\"log\",\"from\":0,\"max\":100}\n");
  }
  EXPECT_NE(log.find("text\\n"), std::string::npos) << log;
  EXPECT_EQ(executor_->status("w")->engine_pid, status.engine_pid);
}

}  // namespace
}  // namespace millrace::executor
