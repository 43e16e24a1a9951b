#include "host/paths.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "host/file.h"
#include "host/sha256.h"

namespace millrace::host {

namespace {

// `given`, else the value of `variable`, else `below` in the user's own folder; absolute.
Result<std::string> folder_of(const std::string& given, const char* variable, const char* below,
                              const char* missing) {
  std::string folder = given;
  if (folder.empty()) {
    if (const char* named = ::getenv(variable); named != nullptr) folder = named;
  }
  if (folder.empty()) {
    const char* user = ::getenv("HOME");
    if (user == nullptr || *user == '\0') return failure(ErrorCode::kInvalidArgument, missing);
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

Result<std::string> home_dir(const std::string& given) {
  return folder_of(given, "MILLRACE_HOME", ".millrace", "no state folder: set MILLRACE_HOME or pass --home");
}

Result<std::string> cache_dir(const std::string& given) {
  return folder_of(given, "MILLRACE_CACHE", ".cache/millrace", "no cache folder: set MILLRACE_CACHE or HOME");
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
