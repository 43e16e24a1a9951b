// The engine's command line, where the engine is found, and what its socket answers.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "host/fd.h"
#include "host/file.h"
#include "serving/engine_command.h"
#include "serving/engine_install.h"
#include "serving/probe.h"

namespace millrace::serving {
namespace {

using std::chrono::milliseconds;

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/mr-serv-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { (void)host::remove_tree(path_); }
  std::string put(const std::string& name, const std::string& text, mode_t mode) const {
    const std::string file = path_ + "/" + name;
    EXPECT_TRUE(host::make_dirs(file.substr(0, file.rfind('/'))));
    EXPECT_TRUE(host::write_file_atomic(file, text, mode));
    return file;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

ReplicaSpec chat(const std::string& file) {
  return {.id = "chat-0",
          .endpoint = "chat",
          .model = "smol",
          .model_file = file,
          .cpus = {1},
          .generation = "g"};
}

std::string after(const std::vector<std::string>& argv, const std::string& name) {
  const auto at = std::find(argv.begin(), argv.end(), name);
  return at == argv.end() || at + 1 == argv.end() ? "absent" : at[1];
}

TEST(EngineCommand, AChatReplicaCancelsInThePromptPhaseAndStaysOnItsSocket) {
  const Folder folder;
  const ReplicaSpec spec = complete(chat(folder.put("m.gguf", "GGUF", 0644))).value();
  const auto workload = workload_of(spec, {.root = "/r", .program = "llama-server", .prefix = {}});
  ASSERT_TRUE(workload) << workload.error().message;
  EXPECT_EQ(after(workload->argv, "--host"), "/data/engine.sock");
  EXPECT_EQ(after(workload->argv, "--batch-size"), "64");
  EXPECT_EQ(after(workload->argv, "--parallel"), "4");
  EXPECT_EQ(after(workload->argv, "--ctx-size"), "8192");
  EXPECT_EQ(after(workload->argv, "--threads"), "1");
  EXPECT_EQ(after(workload->argv, "--embeddings"), "absent");
  EXPECT_EQ(workload->cpus, std::vector<int>{1});
  EXPECT_EQ(workload->mounts.size(), 1u);
  EXPECT_FALSE(workload->mounts[0].writable);
  EXPECT_TRUE(executor::check_spec(*workload));
}

TEST(EngineCommand, AnEmbeddingReplicaTakesAWholeInputInOneBatch) {
  const Folder folder;
  ReplicaSpec spec = chat(folder.put("m.gguf", "GGUF", 0644));
  spec.embeds = true;
  spec.spread = "rail";
  const auto workload = workload_of(complete(spec).value(),
                                    {.root = "/", .program = "/opt/e/bin/llama-server", .prefix = "/opt/e"});
  ASSERT_TRUE(workload);
  EXPECT_EQ(after(workload->argv, "--ubatch-size"), after(workload->argv, "--ctx-size"));
  EXPECT_EQ(after(workload->argv, "--pooling"), "mean");
  EXPECT_EQ(workload->mounts[0].source, "/opt/e") << "an engine outside /usr brings its folder";
}

TEST(EngineCommand, WhatIsOutOfRangeIsRefusedByName) {
  const auto refused = [](auto change) {
    ReplicaSpec spec = chat("/m.gguf");
    change(spec);
    const auto result = complete(spec);
    return result ? std::string("accepted") : result.error().message;
  };
  EXPECT_NE(refused([](ReplicaSpec& s) { s.slots = 257; }).find("slots"), std::string::npos);
  EXPECT_NE(refused([](ReplicaSpec& s) { s.slots = -1; }).find("slots"), std::string::npos);
  EXPECT_NE(refused([](ReplicaSpec& s) { s.context = 127; }).find("context"), std::string::npos);
  EXPECT_NE(refused([](ReplicaSpec& s) { s.slots = 64, s.context = 512; }).find("context"),
            std::string::npos);
  EXPECT_NE(refused([](ReplicaSpec& s) { s.threads = 513; }).find("threads"), std::string::npos);
  EXPECT_NE(refused([](ReplicaSpec& s) { s.model = "--slots"; }).find("model"), std::string::npos);
  EXPECT_NE(refused([](ReplicaSpec& s) { s.model = "a\nb"; }).find("model"), std::string::npos);
  EXPECT_NE(refused([](ReplicaSpec& s) { s.model_file = "m.gguf"; }).find("model file"), std::string::npos);
}

TEST(EngineCommand, LabelsHoldTheWholeSpec) {
  const Folder folder;
  ReplicaSpec spec = chat(folder.put("m.gguf", "GGUF", 0644));
  spec.cpus = {0, 2, 17};
  spec = complete(spec).value();
  const auto workload = workload_of(spec, {.root = "/r", .program = "llama-server", .prefix = {}});
  EXPECT_EQ(spec_from_labels(spec.id, workload->labels).value(), spec);
  EXPECT_EQ(spec_from_labels("x", {{"endpoint", "a"}}).error().code, ErrorCode::kCorrupt);
}

TEST(EngineCommand, AModelFileThatTheEngineCannotReadIsToldBeforeItStarts) {
  const Folder folder;
  EXPECT_EQ(workload_of(complete(chat(folder.path() + "/absent")).value(),
                        {.root = "/", .program = "x", .prefix = {}})
                .error()
                .code,
            ErrorCode::kNotFound);
  if (::geteuid() != 0) GTEST_SKIP() << "only a root supervisor changes user";
  const auto refused = workload_of(complete(chat(folder.put("m.gguf", "GGUF", 0600))).value(),
                                   {.root = "/", .program = "x", .prefix = {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
}

TEST(FindEngine, APathBringsItsFolderAndARootIsChecked) {
  const Folder folder;
  const std::string program = folder.put("kit/bin/llama-server", "#!/bin/sh\n", 0755);
  const auto by_path = find_engine("", program);
  ASSERT_TRUE(by_path) << by_path.error().message;
  EXPECT_EQ(*by_path, (EngineInstall{.root = "/", .program = program, .prefix = folder.path() + "/kit"}));
  const std::string link = folder.path() + "/llama-server";
  ASSERT_EQ(::symlink("kit/bin/llama-server", link.c_str()), 0);
  EXPECT_EQ(find_engine("", link).value(), *by_path) << "what counts is where the program itself lies";
  folder.put("root/usr/bin/llama-server", "#!/bin/sh\n", 0755);
  EXPECT_EQ(find_engine(folder.path() + "/root", "")->root, folder.path() + "/root");
  EXPECT_EQ(find_engine(folder.path() + "/kit", "").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(find_engine("", folder.path() + "/nothing").error().code, ErrorCode::kNotFound);
}

TEST(FindEngine, WithoutSettingsThePreparedOneIsTaken) {
  const Folder cache;
  cache.put("engine/xllamacpp-1/bin/llama-server", "#!/bin/sh\n", 0755);
  EXPECT_EQ(find_engine("", "", cache.path())->prefix, cache.path() + "/engine/xllamacpp-1");
  cache.put("engine/abc/usr/bin/llama-server", "#!/bin/sh\n", 0755);
  ASSERT_EQ(::symlink("abc", (cache.path() + "/engine/current").c_str()), 0);
  EXPECT_EQ(find_engine("", "", cache.path())->root, cache.path() + "/engine/abc");
}

/// Answers every connection with the same bytes, then closes it (or keeps it open and says nothing).
class Engine {
 public:
  explicit Engine(std::string answer, bool silent = false) : answer_(std::move(answer)), silent_(silent) {
    path_ = folder_.path() + "/e.sock";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = host::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~Engine() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  const std::string& path() const { return path_; }

 private:
  void serve() {
    for (;;) {
      host::Fd fd(::accept(listener_.get(), nullptr, nullptr));
      if (!fd) return;
      char buffer[4096];
      (void)!::read(fd.get(), buffer, sizeof buffer);
      if (silent_)
        kept_.push_back(std::move(fd));
      else
        (void)!::send(fd.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }
  }
  const Folder folder_;
  const std::string answer_;
  const bool silent_;
  std::string path_;
  host::Fd listener_;
  std::vector<host::Fd> kept_;
  std::thread thread_;
};

std::string answer(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

TEST(Probe, ReadyLoadingSilentAndAbsentAreToldApart) {
  SocketProber prober(milliseconds(300));
  EXPECT_TRUE(prober.health(Engine(answer(200, "{}")).path()));
  EXPECT_EQ(prober.health(Engine(answer(503, "{}")).path()).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(prober.health(Engine("").path()).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(prober.health(Engine("garbage\r\n\r\n").path()).error().code, ErrorCode::kUnavailable);
  const Engine silent("", true);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(prober.health(silent.path()).error().code, ErrorCode::kTimeout);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5000));
  EXPECT_EQ(prober.health("/tmp/no/such.sock").error().code, ErrorCode::kUnavailable);
}

TEST(Probe, PropsTellContextOfASlotAndWhetherTheTemplateHasTools) {
  SocketProber prober;
  const Engine with(answer(200, R"({"total_slots":4,"default_generation_settings":{"n_ctx":2048,"params":{}},
      "chat_template_caps":{"supports_tools":true,"supports_tool_calls":true}})"));
  const auto props = prober.props(with.path());
  ASSERT_TRUE(props) << props.error().message;
  EXPECT_EQ(props->slots, 4);
  EXPECT_EQ(props->context_tokens, 2048);
  EXPECT_TRUE(props->template_has_tools);
  const Engine without(answer(200, R"({"total_slots":1,"chat_template_caps":{"supports_tools":false}})"));
  EXPECT_FALSE(prober.props(without.path())->template_has_tools);
  EXPECT_FALSE(prober.props(Engine(answer(200, "{")).path()));
  EXPECT_FALSE(prober.props(Engine(answer(200, R"({"total_slots":"four"})")).path()));
}

TEST(Probe, SlotsThatWorkAreCounted) {
  SocketProber prober;
  EXPECT_EQ(
      prober
          .busy_slots(
              Engine(
                  answer(200, R"([{"is_processing":true},{"is_processing":false},{"is_processing":true}])"))
                  .path())
          .value(),
      2);
  EXPECT_FALSE(prober.busy_slots(Engine(answer(200, "{}")).path()));
}

}  // namespace
}  // namespace millrace::serving
