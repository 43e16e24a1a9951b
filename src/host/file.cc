#include "host/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>

#include "host/sha256.h"

namespace millrace::host {
namespace {

std::unexpected<Error> path_error(std::string_view what, const std::string& path) {
  return std::unexpected(errno_error(fmt::format("{} {}", what, path), errno));
}

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> remove_at(int dir, const char* name, const std::string& path) {
  struct stat info;
  if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return path_error("stat", path);
  }
  if (!S_ISDIR(info.st_mode)) {
    if (unlinkat(dir, name, 0) != 0 && errno != ENOENT) return path_error("remove", path);
    return {};
  }
  const int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return path_error("open", path);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(fd), closedir);
  if (!listing) {
    ::close(fd);
    return path_error("list", path);
  }
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view child = entry->d_name;
    if (child == "." || child == "..") continue;
    TRY_VOID(remove_at(fd, entry->d_name, fmt::format("{}/{}", path, child)));
  }
  if (unlinkat(dir, name, AT_REMOVEDIR) != 0 && errno != ENOENT) return path_error("remove", path);
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return path_error("open", path);
  std::string bytes;
  struct stat info;
  if (fstat(fd.get(), &info) == 0 && info.st_size > 0) {
    bytes.reserve(std::min(static_cast<std::size_t>(info.st_size), max_bytes) + 1);
  }
  // Read until the end rather than by st_size: files of /proc and /sys say 0.
  char buffer[16384];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return path_error("read", path);
    if (got == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(got) > max_bytes) {
      return failure(ErrorCode::kExhausted, fmt::format("read {}: larger than {} bytes", path, max_bytes));
    }
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return std::unexpected(errno_error("write", errno));
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

namespace {

Result<void> replace_file(const std::string& path, std::string_view bytes, mode_t mode, bool synced) {
  std::string temporary = path + ".XXXXXX";
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return path_error("create a file beside", path);
  const auto fail = [&](std::string_view what) {
    auto error = path_error(what, temporary);
    ::unlink(temporary.c_str());
    return error;
  };
  if (fchmod(fd.get(), mode) != 0) return fail("chmod");
  if (auto written = write_all(fd.get(), bytes); !written) return fail("write");
  if (synced && fsync(fd.get()) != 0) return fail("fsync");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail("rename");
  return synced ? sync_dir(parent_of(path)) : Result<void>{};
}

}  // namespace

Result<void> write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode) {
  return replace_file(path, bytes, mode, true);
}

Result<void> write_file_unsynced(const std::string& path, std::string_view bytes, mode_t mode) {
  return replace_file(path, bytes, mode, false);
}

Result<void> make_dirs(const std::string& path, mode_t mode) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return failure(ErrorCode::kConflict, fmt::format("create folder {}: a file of that name exists", path));
  }
  if (errno != ENOENT) return path_error("stat", path);
  const auto parent = parent_of(path);
  if (parent != path) TRY_VOID(make_dirs(parent, mode));
  if (::mkdir(path.c_str(), mode) != 0) {
    if (errno == EEXIST) return {};
    return path_error("create folder", path);
  }
  if (::chmod(path.c_str(), mode) != 0) return path_error("chmod", path);
  return {};
}

Result<void> remove_tree(const std::string& path) { return remove_at(AT_FDCWD, path.c_str(), path); }

Result<std::vector<std::string>> list_dir(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(path.c_str()), closedir);
  if (!listing) return path_error("list", path);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<Fd> lock_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return path_error("open", path);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return failure(ErrorCode::kConflict, fmt::format("lock {}: another process holds it", path));
    }
    return path_error("lock", path);
  }
  return fd;
}

bool is_locked(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file && ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Result<void> sync_dir(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return path_error("open", path);
  if (fsync(fd.get()) != 0) return path_error("fsync", path);
  return {};
}

Result<FileDigest> sha256_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return path_error("open", path);
  Sha256 digest;
  FileDigest result;
  std::string buffer(1u << 20, '\0');
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return path_error("read", path);
    if (got == 0) break;
    digest.update({buffer.data(), static_cast<std::size_t>(got)});
    result.size_bytes += got;
  }
  result.sha256 = to_hex(digest.finish());
  return result;
}

}  // namespace millrace::host
