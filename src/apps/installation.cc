#include "apps/installation.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <thread>
#include <vector>

#include "host/file.h"
#include "host/json.h"
#include "host/paths.h"

namespace millrace::apps {
namespace {

constexpr std::chrono::milliseconds kLookedAtFor{500};
constexpr std::chrono::milliseconds kRetry{2};

std::string mark_path(const Installation& installation, const std::string& role) {
  return installation.path("run-" + role + ".pid");
}

/// Who asks `running` holds the lock itself for a moment; only a conflict that lasts is one with a process of the role.
Result<host::Fd> lock_mark(const std::string& path) {
  const auto until = std::chrono::steady_clock::now() + kLookedAtFor;
  while (true) {
    auto lock = host::lock_file(path);
    if (lock || lock.error().code != ErrorCode::kConflict || std::chrono::steady_clock::now() > until)
      return lock;
    std::this_thread::sleep_for(kRetry);
  }
}

}  // namespace

Result<Installation> open_installation(const std::string& home) {
  Installation installation;
  installation.home = TRY(host::home_dir(home));
  TRY_VOID(host::make_dirs(installation.home, 0700));
  for (const char* folder : {"secrets", "data", "journal", "models", "replicas", "logs"}) {
    TRY_VOID(host::make_dirs(installation.path(folder), 0700));
  }
  installation.sockets = TRY(host::runtime_dir(installation.home));
  return installation;
}

Result<void> keep_options(const Installation& installation, const KeptOptions& options) {
  host::JsonWriter writer;
  writer.begin_object()
      .field("listen", options.listen)
      .field("tls_cert", options.tls_cert)
      .field("tls_key", options.tls_key)
      .end_object();
  return host::write_file_atomic(installation.path("up.json"), writer.text(), 0600);
}

bool has_kept_options(const Installation& installation) { return host::exists(installation.path("up.json")); }

void forget_options(const Installation& installation) { ::unlink(installation.path("up.json").c_str()); }

Result<host::Config> load_settings(const Installation& installation) {
  std::vector<host::ConfigOverride> overrides;
  if (const auto text = host::read_file(installation.path("up.json"), 64 * 1024)) {
    const auto value = TRY(host::parse_json(*text));
    const auto object = TRY(host::JsonObject::of(value, "up.json"));
    const auto add = [&](std::string_view member, const char* key, const char* option) -> Result<void> {
      const auto given = TRY(object.optional_string(member));
      if (given && !given->empty()) overrides.push_back({key, *given, option});
      return {};
    };
    TRY_VOID(add("listen", "listen.address", "--listen"));
    TRY_VOID(add("tls_cert", "listen.tls_cert", "--tls-cert"));
    TRY_VOID(add("tls_key", "listen.tls_key", "--tls-key"));
  }
  return host::load_config(installation.home, overrides);
}

Result<RoleMark> RoleMark::take(const Installation& installation, const std::string& role) {
  const auto path = mark_path(installation, role);
  auto lock = lock_mark(path);
  if (!lock) {
    if (lock.error().code != ErrorCode::kConflict) return std::unexpected(lock.error());
    return failure(ErrorCode::kConflict, fmt::format("a {} runs on {} already", role, installation.home));
  }
  if (::ftruncate(lock->get(), 0) != 0) return std::unexpected(errno_error("truncate " + path, errno));
  TRY_VOID(host::write_all(lock->get(), fmt::format("{}\n", ::getpid())));
  return RoleMark(std::move(*lock));
}

std::optional<pid_t> running(const Installation& installation, const std::string& role) {
  const auto path = mark_path(installation, role);
  if (!host::is_locked(path)) return std::nullopt;
  const auto text = host::read_file(path, 64);
  if (!text) return std::nullopt;
  pid_t pid = 0;
  std::from_chars(text->data(), text->data() + text->size(), pid);
  return pid > 0 ? std::optional(pid) : std::nullopt;
}

Result<std::string> own_program() {
  std::string path(4096, '\0');
  const auto length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return std::unexpected(errno_error("read /proc/self/exe", errno));
  path.resize(static_cast<std::size_t>(length));
  // Replaced by a build while running: the new file of the same name is meant.
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

}  // namespace millrace::apps
