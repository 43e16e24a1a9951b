#include "host/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include "host/file.h"

namespace millrace::host {
namespace {

std::unexpected<Error> path_error(std::string_view what, const std::string& path) {
  return std::unexpected(errno_error(fmt::format("{} {}", what, path), errno));
}

/// The mode that a new file gets.
mode_t new_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<OutputFile> OutputFile::create(const std::string& path) {
  struct stat info;
  const bool there = ::stat(path.c_str(), &info) == 0;
  if (!there && errno != ENOENT) return path_error("open", path);
  struct stat link;
  const bool dangling = !there && ::lstat(path.c_str(), &link) == 0;
  if ((there && !S_ISREG(info.st_mode)) || dangling) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!fd) return path_error("open", path);
    return OutputFile(std::move(fd), path, "");
  }
  std::string target = path;
  if (there) {
    char resolved[PATH_MAX];
    if (::realpath(path.c_str(), resolved) == nullptr) return path_error("open", path);
    target = resolved;
    if (::access(target.c_str(), W_OK) != 0) return path_error("write", path);
  }
  std::string temporary = target + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return path_error("create a file beside", target);
  OutputFile file(std::move(fd), std::move(target), std::move(temporary));
  if (::fchmod(file.fd_.get(), there ? info.st_mode & 07777 : new_mode()) != 0)
    return path_error("chmod", file.temporary_);
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, std::string())) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> OutputFile::write(std::string_view bytes) {
  auto written = write_all(fd_.get(), bytes);
  if (!written) written.error().message = fmt::format("{} (to {})", written.error().message, path_);
  return written;
}

Result<void> OutputFile::commit() {
  if (temporary_.empty()) return {};
  if (::fsync(fd_.get()) != 0) return path_error("fsync", temporary_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return path_error("replace", path_);
  temporary_.clear();
  return sync_dir(parent_of(path_));
}

Result<void> write_output(const std::string& path, std::string_view bytes) {
  auto file = TRY(OutputFile::create(path));
  TRY_VOID(file.write(bytes));
  return file.commit();
}

}  // namespace millrace::host
