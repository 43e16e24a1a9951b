// The real engine answers through control, serving and the sandbox, and outlives what it must outlive.
// tools/prepare.sh provides engine and model (downloads them the first time).
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <sstream>

#include "accel/cpu/cpu_accelerators.h"
#include "control/desired.h"
#include "control/eventually_test_support.h"
#include "control/loop.h"
#include "executor/local/local_executor.h"
#include "host/fd.h"
#include "host/file.h"
#include "host/process.h"
#include "host/system_clock.h"
#include "serving/engine_install.h"
#include "serving/probe.h"
#include "store/memory/memory_store.h"

namespace millrace {
namespace {

using std::chrono::seconds;

// HTTP/1.0: the answer ends with the connection.
std::string post(const std::string& socket, const std::string& path, const std::string& body) {
  const host::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return "no connection to " + socket;
  const std::string request =
      "POST " + path + " HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body;
  (void)!::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string answer;
  char buffer[8192];
  for (ssize_t got; (got = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(got));
  return answer;
}

std::int64_t resident_kib(int pid) {
  const std::string text = host::read_file("/proc/" + std::to_string(pid) + "/status", 65536).value_or("");
  const std::size_t at = text.find("VmRSS:");
  return at == std::string::npos ? 0 : std::strtoll(text.c_str() + at + 6, nullptr, 10);
}

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    host::ProcessSpec spec;
    spec.argv = {PREPARE};
    const auto prepared = host::run_process(spec, std::chrono::minutes(4));
    ASSERT_TRUE(prepared) << prepared.error().message;
    ASSERT_EQ(prepared->exit_code, 0) << prepared->err;
    std::istringstream lines(prepared->out);
    for (std::string line; std::getline(lines, line);)
      settings_[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    char name[] = "/tmp/mr-eng-XXXXXX";
    folder_ = mkdtemp(name);
    model_ = folder_ + "/model.gguf";
    ASSERT_EQ(::symlink(settings_["MODEL_FILE"].c_str(), model_.c_str()), 0);
    executor_ = std::move(*executor::LocalExecutor::create({.folder = folder_ + "/replicas",
                                                            .runtime_dir = folder_ + "/run",
                                                            .supervise_argv = {EXECUTOR_SUPERVISE}}));
    begin();
  }
  void TearDown() override {
    if (loop_) {
      EXPECT_TRUE(loop_->stop_with_replicas(seconds(20)));
    }
    loop_.reset();
    (void)host::remove_tree(folder_);
  }
  void begin() {
    const auto engine = serving::find_engine(settings_["ENGINE_ROOT"], settings_["ENGINE_PATH"]);
    ASSERT_TRUE(engine) << engine.error().message;
    const auto devices = accel::CpuAccelerators().discover();
    ASSERT_TRUE(devices);
    auto loop =
        control::Loop::start({.engine = *engine, .cpus = devices->front().cpus, .fence = ++fence_}, store_,
                             *executor_, prober_, clock_, [this](const auto&) { eventually_.note(); });
    ASSERT_TRUE(loop) << loop.error().message;
    loop_ = std::move(*loop);
  }
  void wish(const std::string& name, bool embeds) {
    control::DesiredEndpoint e;
    e.name = name;
    e.model = name;
    e.model_file = model_;
    e.embeds = embeds;
    ASSERT_TRUE(store_.commit({.expect = {}, .put = {{"endpoint/" + name, to_json(e)}}, .erase = {}}));
  }
  // The replica once it is ready with an engine other than `not_pid`.
  control::ReplicaStatus ready(const std::string& id, int not_pid = 0) {
    control::ReplicaStatus found;
    const auto is_ready = [&] {
      for (const auto& status : loop_->observed())
        if (status.id == id && status.state == control::ReplicaState::kReady) found = status;
      return found.engine_pid > 0 && found.engine_pid != not_pid;
    };
    if (eventually_.holds(is_ready, seconds(60))) return found;
    std::string seen;
    for (const auto& status : loop_->observed())
      seen += status.id + " " + control::name_of(status.state) + ": " + status.reason + "\n";
    ADD_FAILURE() << id << " is not ready; seen: " << seen
                  << "log: " << loop_->log(id, -2000, 2000).value_or(control::ReplicaLog{}).text;
    return {};
  }
  static std::string ask(const control::ReplicaStatus& replica) {
    return post(replica.socket, "/v1/completions",
                R"({"prompt":"The capital of France is","max_tokens":4,"temperature":0})");
  }

  std::map<std::string, std::string> settings_;
  std::string folder_, model_;
  host::SystemClock clock_;
  store::MemoryStore store_;
  serving::SocketProber prober_;
  std::unique_ptr<executor::LocalExecutor> executor_;
  control::Eventually eventually_;
  std::unique_ptr<control::Loop> loop_;
  std::int64_t fence_ = 0;
};

TEST_F(EngineTest, AChatReplicaAnswersAndSurvivesWhatItMust) {
  wish("chat", false);
  const control::ReplicaStatus first = ready("chat-0");
  EXPECT_EQ(first.slots, 4);
  EXPECT_EQ(first.context_tokens, 2048);
  EXPECT_FALSE(first.template_has_tools) << "this model's template has none";
  EXPECT_GE(first.cpus.size(), 1u);
  EXPECT_FALSE(first.limits_kind.empty());
  EXPECT_NE(ask(first).find("Paris"), std::string::npos) << ask(first);
  EXPECT_NE(loop_->log("chat-0", 0, 1 << 20)->text.find("listening"), std::string::npos);
  RecordProperty("limits", first.limits_kind);
  RecordProperty("rss_kib", static_cast<int>(resident_kib(first.engine_pid)));

  // A restarted server: the engine goes on, and the new loop adopts it.
  loop_.reset();
  EXPECT_NE(ask(first).find("Paris"), std::string::npos) << "the engine answers while no server runs";
  begin();
  EXPECT_EQ(ready("chat-0").engine_pid, first.engine_pid);

  // kill -9 of the engine: a new one comes.
  ASSERT_EQ(::kill(first.engine_pid, SIGKILL), 0);
  const control::ReplicaStatus second = ready("chat-0", first.engine_pid);
  EXPECT_NE(ask(second).find("Paris"), std::string::npos);

  // kill -9 of the supervisor: its engine ends with it, and a new one comes.
  ASSERT_EQ(::kill(second.supervisor_pid, SIGKILL), 0);
  const control::ReplicaStatus third = ready("chat-0", second.engine_pid);
  EXPECT_FALSE(host::process_start_ticks(second.engine_pid)) << "two engines for one replica";
  EXPECT_NE(ask(third).find("Paris"), std::string::npos);

  // Deleted: drained, stopped with exit code 0, gone.
  ASSERT_TRUE(store_.commit({.expect = {}, .put = {}, .erase = {"endpoint/chat"}}));
  EXPECT_TRUE(eventually_.holds([&] { return loop_->observed().empty(); }, seconds(20)));
  EXPECT_FALSE(host::process_start_ticks(third.engine_pid));
}

TEST_F(EngineTest, AnEmbeddingReplicaIsSmallAndTakesAnInputBeyondTheUsualBatch) {
  wish("embed", true);
  const control::ReplicaStatus replica = ready("embed-0");
  EXPECT_TRUE(replica.embeds);
  std::string long_input;
  ASSERT_GE(replica.context_tokens, 1024);
  for (int i = 0; i < 600; ++i) long_input += "mill ";  // llama-server's own default batch for this is 512
  const std::string answer = post(replica.socket, "/v1/embeddings", R"({"input":")" + long_input + R"("})");
  EXPECT_NE(answer.find("200 OK"), std::string::npos) << answer.substr(0, 400);
  EXPECT_NE(answer.find("\"embedding\":["), std::string::npos);
  // The fallback engine (or one of the person's own, both named by path) repacks weights into memory of its own.
  const std::int64_t most_kib = settings_["ENGINE_PATH"].empty() ? 200 << 10 : 512 << 10;
  EXPECT_LT(resident_kib(replica.engine_pid), most_kib);
}

TEST_F(EngineTest, AModelThatIsNoModelEndsInAReportedCrashLoop) {
  ASSERT_TRUE(host::remove_tree(model_));
  ASSERT_TRUE(host::write_file_atomic(model_, "GGUF but not really", 0644));
  wish("broken", false);
  const auto of = [&](const std::string& id) {
    const auto all = loop_->observed();
    const auto found = std::ranges::find(all, id, &control::ReplicaStatus::id);
    return found != all.end() ? *found : control::ReplicaStatus{};
  };
  const auto crashes = [&] { return of("broken-0").state == control::ReplicaState::kCrashLoop; };
  ASSERT_TRUE(eventually_.holds(crashes, seconds(60)));
  const auto status = of("broken-0");
  EXPECT_NE(status.reason.find("exit code"), std::string::npos) << status.reason;
  EXPECT_NE(loop_->log("broken-0", -4000, 4000)->text.find("load"), std::string::npos);
  // It stays down, while another is tried again.
  wish("later", false);
  ASSERT_TRUE(eventually_.holds([&] { return of("later-0").restarts > 0; }, seconds(60)));
  EXPECT_TRUE(crashes());
  EXPECT_EQ(of("broken-0").engine_pid, 0);
}

}  // namespace
}  // namespace millrace
