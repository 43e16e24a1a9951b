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

Result<std::string> home_dir(const std::string& given) {
  std::string home = given;
  if (home.empty()) {
    if (const char* named = ::getenv("MILLRACE_HOME"); named != nullptr) home = named;
  }
  if (home.empty()) {
    const char* user = ::getenv("HOME");
    if (user == nullptr || *user == '\0') {
      return failure(ErrorCode::kInvalidArgument, "no state folder: set MILLRACE_HOME or pass --home");
    }
    home = fmt::format("{}/.millrace", user);
  }
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(home, failed).lexically_normal();
  if (failed) return std::unexpected(errno_error(fmt::format("make {} absolute", home), failed.value()));
  home = absolute.string();
  while (home.size() > 1 && home.back() == '/') home.pop_back();
  return home;
}

std::string cache_dir() {
  if (const char* named = ::getenv("MILLRACE_CACHE"); named != nullptr && *named != '\0') return named;
  const char* user = ::getenv("HOME");
  return fmt::format("{}/.cache/millrace", user != nullptr ? user : "");
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
