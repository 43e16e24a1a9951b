// Logs in pieces, records as JSON, and what is read of control groups.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <sstream>

#include "executor/cgroup.h"
#include "executor/log_file.h"
#include "executor/protocol.h"
#include "executor/sandbox.h"
#include "executor/spec.h"
#include "host/file.h"

namespace millrace::executor {
namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/mr-rec-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { (void)host::remove_tree(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The log against a plain string, for any sizes of pieces and appends.
RC_GTEST_PROP(LogFile, KeepsTheNewestBytesUnderTheirOffsets, ()) {
  const Folder folder;
  const auto piece_bytes = *rc::gen::inRange<std::int64_t>(1, 40);
  const auto lengths = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 200));
  std::string all;
  auto writer = LogWriter::open(folder.path(), piece_bytes);
  RC_ASSERT(writer.has_value());
  for (const std::size_t length : lengths) {
    std::string part;
    for (std::size_t i = 0; i < length; ++i) part.push_back(static_cast<char>('a' + (all.size() + i) % 26));
    RC_ASSERT(writer->append(part).has_value());
    all += part;
    if (length % 7 == 3) writer = LogWriter::open(folder.path(), piece_bytes);
  }
  const auto from = *rc::gen::inRange<std::int64_t>(-1000, 1000);
  const auto max = *rc::gen::inRange<std::size_t>(0, 100);
  const auto piece = read_log(folder.path(), from, max);
  RC_ASSERT(piece.has_value());
  const auto size = static_cast<std::int64_t>(all.size());
  RC_ASSERT(piece->from >= 0 && piece->from <= size);
  RC_ASSERT(piece->text.size() <= max);
  const std::string kept = piece->text.substr(piece->text.find('\n') + 1);  // of a notice there, if any
  RC_ASSERT(piece->next == piece->from + static_cast<std::int64_t>(kept.size()));
  RC_ASSERT(kept == all.substr(static_cast<std::size_t>(piece->from), kept.size()));
  const std::int64_t wanted = from < 0 ? std::max<std::int64_t>(0, size + from) : std::min(from, size);
  RC_ASSERT(piece->from >= wanted);
  const auto whole = read_log(folder.path(), 0, 100000);
  RC_ASSERT(whole->next - whole->from <= LogWriter::kPieces * piece_bytes);
  RC_ASSERT(whole->text.starts_with("[supervisor] ") == (whole->from > 0));
  RC_ASSERT(whole->next == size);
}

SupervisorSpec sample() {
  SupervisorSpec spec;
  spec.workload = {.id = "chat-0",
                   .root = "/r",
                   .mounts = {{"/a", "/b", true}, {"/c", "/d", false, true}},
                   .argv = {"x", "--y", "z \"q\""},
                   .env = {{"A", "1"}},
                   .cpus = {0, 3},
                   .resources = {1, 2, 3, 4},
                   .workdir = "/work",
                   .unpack_archive = "/a.tar",
                   .secrets = {{"/run/key", ""}},
                   .network = Network::kForwards,
                   .forwards = {{8080, "127.0.0.1:9"}, {81, "/tmp/x.sock"}},
                   .scratch_bytes = 5,
                   .disk_bytes = 6,
                   .time_limit = std::chrono::milliseconds(7),
                   .grace = std::chrono::milliseconds(8),
                   .stop_signal = 10,
                   .log_max_bytes = 9,
                   .labels = {{"k", "v"}}};
  spec.control_socket = "/tmp/s.sock";
  spec.data_dir = "/tmp/d";
  spec.secrets_fd = 4;
  spec.ready_fd = 3;
  return spec;
}

TEST(Records, ASpecReadsBackAsWritten) {
  const auto back = parse_spec(to_json(sample()));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, sample());
}

// Written by the Millrace before jobs.
constexpr const char* kFirstSpec =
    R"({"version":1,"workload":{"id":"chat-0","root":"/r","mounts":[{"source":"/a","target":"/b","writable":true}],)"
    R"("argv":["x"],"env":{"A":"1"},"cpus":[0],"resources":{"memory_bytes":1,"cpu_millis":2,"pids":3,"open_files":4},)"
    R"("labels":{"k":"v"}},"control_socket":"/tmp/s.sock","data_dir":"/tmp/d"})";

TEST(Records, ASpecOfTheFirstVersionIsRead) {
  const auto spec = parse_spec(kFirstSpec);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(spec->workload.id, "chat-0");
  EXPECT_EQ(spec->workload.resources, (Resources{1, 2, 3, 4}));
  EXPECT_EQ(spec->workload.network, Network::kNone);
  EXPECT_EQ(spec->workload.log_max_bytes, WorkloadSpec{}.log_max_bytes);
  EXPECT_EQ(spec->secrets_fd, -1);
}

TEST(Records, AnExitOfAnEarlierSupervisorIsRead) {
  const auto exit =
      parse_exit(R"({"version":1,"code":-1,"signal":15,"asked":true,"at":"2026-11-22T10:00:00.000000Z"})");
  ASSERT_TRUE(exit) << exit.error().message;
  EXPECT_EQ(exit->cause, ExitCause::kAsked);
  EXPECT_EQ(exit->cpu_time_us, 0);
}

TEST(Records, ASpecHoldsNoSecret) {
  SupervisorSpec spec = sample();
  spec.workload.secrets[0].text = "swordfish";
  EXPECT_EQ(to_json(spec).find("swordfish"), std::string::npos);
}

RC_GTEST_PROP(Records, SecretsReadBackAsWritten, (const std::vector<std::string>& texts)) {
  std::vector<SecretFile> secrets, back(texts.size());
  for (const std::string& text : texts) secrets.push_back({"", text});
  const std::string bytes = encode_secrets(secrets);
  RC_ASSERT(decode_secrets(bytes, back).has_value());
  RC_ASSERT(back == secrets);
  RC_ASSERT(!decode_secrets(bytes + "x", back).has_value());
  if (!bytes.empty()) RC_ASSERT(!decode_secrets(bytes.substr(0, bytes.size() - 1), back).has_value());
}

TEST(Records, AnExitReadsBackAsWritten) {
  const ExitRecord exit{.code = -1,
                        .signal = 9,
                        .asked = true,
                        .at = TimePoint(std::chrono::microseconds(1700000000123456)),
                        .cause = ExitCause::kMemory,
                        .cpu_time_us = 5,
                        .memory_peak_bytes = 6};
  EXPECT_EQ(parse_exit(to_json(exit)).value(), exit);
}

TEST(Records, AStatusReadsBackThroughTheProtocol) {
  WorkloadStatus status;
  status.id = "chat-0";
  status.state = WorkloadState::kStopping;
  status.supervisor_pid = 4;
  status.engine_pid = 5;
  status.data_dir = "/d";
  status.labels = {{"a", "b"}};
  status.limits = {"cgroup-v1", 1, 2, 3, "because", true};
  status.started = MonotonicPoint(std::chrono::nanoseconds(1'500'000'000));
  status.cpu_time_us = 17;
  status.exit = ExitRecord{.code = 3};
  const auto back = parse_status_answer(status_answer(status));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(to_json(*back), to_json(status));
  EXPECT_EQ(back->started, status.started);
}

TEST(Records, ANewerVersionIsRefusedByName) {
  std::string text = to_json(sample());
  text.replace(text.find("\"version\":2"), 11, "\"version\":3");
  const auto refused = parse_spec(text);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(refused.error().message.find("version 3"), std::string::npos);
}

TEST(Records, ATornSpecIsAnErrorAtEveryLength) {
  const std::string text = to_json(sample());
  for (std::size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(parse_spec(text.substr(0, length))) << length;
}

TEST(Protocol, RequestsReadBackAsWritten) {
  const ControlRequest request{.op = ControlRequest::Op::kStop, .grace_ms = 250};
  EXPECT_EQ(parse_request(to_json(request))->grace_ms, 250);
  EXPECT_EQ(parse_request(to_json(ControlRequest{.op = ControlRequest::Op::kSetCpu, .millis = 300}))->millis,
            300);
  EXPECT_FALSE(parse_request(R"({"version":1,"op":"set_cpu","millis":-1})"));
  EXPECT_EQ(
      parse_request(to_json(ControlRequest{.op = ControlRequest::Op::kLog, .from = -5, .max = 9}))->from, -5);
  EXPECT_FALSE(parse_request(R"({"version":1,"op":"log","from":0,"max":0})"));
}

// What bwrap reads from a descriptor, as words.
std::vector<std::string> options_of(const Sandbox& sandbox) {
  const int number = std::stoi(sandbox.argv.at(2));
  const auto file = std::ranges::find(sandbox.files, number, &SandboxFile::fd);
  std::vector<std::string> words;
  std::istringstream stream(file->bytes);
  for (std::string word; std::getline(stream, word, '\0');) words.push_back(word);
  return words;
}

TEST(Sandbox, TheCommandLineTakesNetworkUserAndPowerAway) {
  WorkloadSpec spec{.id = "w", .root = "/", .argv = {"engine", "--flag"}};
  for (const bool as_root : {true, false}) {
    const auto sandbox = make_sandbox(spec, "/data-dir", as_root, false);
    ASSERT_TRUE(sandbox);
    const auto words = options_of(*sandbox);
    const auto has = [&](const std::string& word) { return std::ranges::find(words, word) != words.end(); };
    EXPECT_TRUE(has("--unshare-net") && has("--unshare-pid") && has("--die-with-parent") &&
                has("--clearenv") && has("--new-session") && has("--seccomp"));
    EXPECT_EQ(has("--cap-add"), as_root);
    EXPECT_EQ(has("--unshare-user"), !as_root);
    EXPECT_FALSE(has("/home") || has("/root") || has("/var") || has("/sys"));
  }
  spec.network = Network::kHost;
  const auto words = options_of(*make_sandbox(spec, "/data-dir", true, false));
  EXPECT_EQ(std::ranges::find(words, "--unshare-net"), words.end());
}

TEST(Sandbox, NoSecretAndNoEnvironmentIsInAProcessList) {
  WorkloadSpec spec{.id = "w", .root = "/", .argv = {"engine"}, .env = {{"KEY", "swordfish"}}};
  spec.secrets = {{"/run/key", "marlin"}};
  const auto sandbox = make_sandbox(spec, "/data-dir", true, false);
  ASSERT_TRUE(sandbox);
  for (const std::string& word : sandbox->argv)
    EXPECT_FALSE(word.contains("swordfish") || word.contains("marlin"));
  const auto words = options_of(*sandbox);
  EXPECT_EQ(std::ranges::find(words, "marlin"), words.end());
}

TEST(Cgroup, WithoutAnyHierarchyItSaysWhatItLookedFor) {
  const Folder proc;
  ASSERT_TRUE(host::make_dirs(proc.path() + "/self"));
  ASSERT_TRUE(host::write_file_atomic(proc.path() + "/self/mountinfo",
                                      "22 1 0:5 / /proc rw - proc proc rw\nnonsense\n"));
  ASSERT_TRUE(host::write_file_atomic(proc.path() + "/self/cgroup", "0::/x\n"));
  const auto group = Cgroup::create("millrace-test", {.memory_bytes = 1 << 20}, proc.path());
  ASSERT_FALSE(group);
  EXPECT_EQ(group.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(group.error().message.find("cgroup v2"), std::string::npos);
  EXPECT_EQ(limits_here(proc.path()), (Limits{.kind = "rlimits", .why = group.error().message}));
}

// Plain folders stand for the kernel's: what is written to them is what the kernel would be asked.
TEST(Cgroup, AWholeVersionTwoIsPreferredAndGetsAllThreeLimits) {
  const Folder root;
  const std::string mount = root.path() + "/cg";
  ASSERT_TRUE(host::make_dirs(root.path() + "/self"));
  ASSERT_TRUE(host::make_dirs(mount + "/slice/own"));
  ASSERT_TRUE(host::make_dirs(mount + "/slice/millrace-test"));
  ASSERT_TRUE(host::write_file_atomic(mount + "/slice/cgroup.controllers", "cpuset cpu io memory pids\n"));
  for (const char* file : {"cgroup.subtree_control", "millrace-test/memory.max", "millrace-test/cpu.max",
                           "millrace-test/pids.max", "millrace-test/cgroup.procs"})
    ASSERT_TRUE(host::write_file_atomic(mount + "/slice/" + file, ""));
  ASSERT_TRUE(host::write_file_atomic(root.path() + "/self/mountinfo",
                                      "30 1 0:26 / " + mount + " rw - cgroup2 cgroup2 rw\n"));
  ASSERT_TRUE(host::write_file_atomic(root.path() + "/self/cgroup", "0::/slice/own\n"));
  auto group =
      Cgroup::create("millrace-test", {.memory_bytes = 4096, .cpu_millis = 1500, .pids = 9}, root.path());
  ASSERT_TRUE(group) << group.error().message;
  EXPECT_EQ(group->limits(), (Limits{"cgroup-v2", 4096, 1500, 9, {}, false}));
  EXPECT_EQ(host::read_file(mount + "/slice/millrace-test/memory.max").value(), "4096");
  EXPECT_EQ(host::read_file(mount + "/slice/millrace-test/cpu.max").value(), "150000 100000");
  EXPECT_EQ(host::read_file(mount + "/slice/millrace-test/pids.max").value(), "9");
  ASSERT_TRUE(group->add(1));
  EXPECT_EQ(host::read_file(mount + "/slice/millrace-test/cgroup.procs").value(), "1");
  ASSERT_TRUE(group->set_cpu(250));
  EXPECT_EQ(host::read_file(mount + "/slice/millrace-test/cpu.max").value().substr(0, 12), "25000 100000");
  EXPECT_EQ(group->limits().cpu_millis, 250);
}

TEST(Cgroup, UsageIsReadInTheFormatOfVersionTwo) {
  const Folder root;
  const std::string mount = root.path() + "/cg", group_folder = mount + "/millrace-test/";
  ASSERT_TRUE(host::make_dirs(root.path() + "/self"));
  ASSERT_TRUE(host::make_dirs(group_folder));
  ASSERT_TRUE(host::write_file_atomic(mount + "/cgroup.controllers", "cpu memory pids\n"));
  ASSERT_TRUE(host::write_file_atomic(mount + "/cgroup.subtree_control", ""));
  ASSERT_TRUE(host::write_file_atomic(group_folder + "cpu.stat", "usage_usec 4711\nuser_usec 1\n"));
  ASSERT_TRUE(host::write_file_atomic(group_folder + "memory.peak", "8192\n"));
  ASSERT_TRUE(host::write_file_atomic(group_folder + "memory.events", "oom 3\noom_kill 2\n"));
  ASSERT_TRUE(host::write_file_atomic(root.path() + "/self/mountinfo",
                                      "30 1 0:26 / " + mount + " rw - cgroup2 cgroup2 rw\n"));
  ASSERT_TRUE(host::write_file_atomic(root.path() + "/self/cgroup", "0::/\n"));
  const auto group = Cgroup::create("millrace-test", {}, root.path());
  ASSERT_TRUE(group) << group.error().message;
  EXPECT_EQ(group->usage().cpu_time_us, 4711);
  EXPECT_EQ(group->usage().memory_peak_bytes, 8192);
  EXPECT_EQ(group->usage().oom_kills, 2);
}

}  // namespace
}  // namespace millrace::executor
