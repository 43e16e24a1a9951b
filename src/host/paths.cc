#include "host/paths.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "host/file.h"
#include "host/sha256.h"

namespace millrace::host {

namespace {

// `given`, else the value of the variable `named`, else `below` in the user's own folder; absolute.
Result<std::string> folder_of(const std::string& given, const char* named, const char* below,
                              const char* missing) {
  std::string folder = given.empty() ? environment(named) : given;
  if (folder.empty()) {
    const std::string user = environment("HOME");
    if (user.empty()) return failure(ErrorCode::kInvalidArgument, missing);
    folder = fmt::format("{}/{}", user, below);
  }
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(folder, failed).lexically_normal();
  if (failed) return std::unexpected(errno_error(fmt::format("make {} absolute", folder), failed.value()));
  folder = absolute.string();
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

}  // namespace

std::string environment(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

Result<std::string> home_dir(const std::string& given) {
  return folder_of(given, "MILLRACE_HOME", ".millrace", "no state folder: set MILLRACE_HOME or pass --home");
}

Result<std::string> cache_dir(const std::string& given) {
  return folder_of(given, "MILLRACE_CACHE", ".cache/millrace", "no cache folder: set MILLRACE_CACHE or HOME");
}

std::string find_program(const std::string& name) {
  const auto may_run = [](const std::string& path) {
    struct stat info;
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.contains('/')) return may_run(name) ? name : std::string();
  std::string folders = environment("PATH");
  if (folders.empty()) folders = "/usr/local/bin:/usr/bin:/bin";
  while (!folders.empty()) {
    const std::size_t colon = std::min(folders.find(':'), folders.size());
    std::string candidate = fmt::format("{}/{}", std::string_view(folders).substr(0, colon), name);
    if (folders.front() == '/' && may_run(candidate)) return candidate;
    folders.erase(0, colon + 1);
  }
  return {};
}

bool is_inner_link(std::string_view path, std::string_view target) {
  if (target.empty() || target.starts_with('/') || target.contains('\0')) return false;
  auto above = std::ranges::count(path, '/');
  bool named = false;  // a folder, after which ".." need not be the one above
  for (std::string_view rest = target; !rest.empty();) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      named = true;
    } else if (named || --above < 0) {
      return false;
    }
  }
  return true;
}

Result<std::string> runtime_dir(const std::string& home) {
  constexpr std::size_t kLongest = 52;
  std::string folder = home + "/run";
  if (folder.size() > kLongest) {
    folder = fmt::format("/tmp/millrace-{}-{}", getuid(), sha256_hex(home).substr(0, 12));
  }
  TRY_VOID(make_dirs(folder, 0700));
  struct stat info;
  if (::lstat(folder.c_str(), &info) != 0) return std::unexpected(errno_error("stat " + folder, errno));
  if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid()) {
    return failure(ErrorCode::kDenied,
                   fmt::format("use {} for sockets: it is not a folder of this user; remove it", folder));
  }
  if ((info.st_mode & 0777) != 0700 && ::chmod(folder.c_str(), 0700) != 0) {
    return std::unexpected(errno_error("chmod " + folder, errno));
  }
  return folder;
}

}  // namespace millrace::host
