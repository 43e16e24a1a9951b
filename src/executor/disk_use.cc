#include "executor/disk_use.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace millrace::executor {
namespace {

constexpr std::int64_t kBlockBytes = 512;  // of st_blocks, whatever the file system's own (stat(2))

}  // namespace

bool DiskUse::step(std::size_t entries) {
  while (entries > 0) {
    if (open_.empty()) {
      if (next_root_ == roots_.size()) {
        bytes_ = counting_;
        too_deep_ = deep_;
        counting_ = 0;
        next_root_ = 0;
        deep_ = false;
        return true;
      }
      const std::string& root = roots_[next_root_++];
      struct stat info{};
      --entries;
      if (::lstat(root.c_str(), &info) != 0) continue;
      device_ = info.st_dev;
      if (S_ISDIR(info.st_mode))
        enter(AT_FDCWD, root.c_str());
      else
        counting_ += info.st_blocks * kBlockBytes;
      continue;
    }
    const dirent* entry = ::readdir(open_.back().get());
    if (entry == nullptr) {
      open_.pop_back();
      continue;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    --entries;
    count(open_.back().get(), entry->d_name);
  }
  return false;
}

void DiskUse::count(DIR* folder, const char* name) {
  struct stat info{};
  if (::fstatat(::dirfd(folder), name, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) return;
  if (info.st_dev != device_) return;
  // A file of several names is met several times.
  const auto names = S_ISDIR(info.st_mode)
                         ? std::int64_t{1}
                         : std::max<std::int64_t>(1, static_cast<std::int64_t>(info.st_nlink));
  counting_ += info.st_blocks * kBlockBytes / names;
  if (S_ISDIR(info.st_mode)) enter(::dirfd(folder), name);
}

void DiskUse::enter(int parent, const char* name) {
  if (open_.size() >= kMaxDepth) {
    deep_ = true;
    return;
  }
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return;
  Folder folder(::fdopendir(fd));
  if (!folder) {
    ::close(fd);
    return;
  }
  open_.push_back(std::move(folder));
}

}  // namespace millrace::executor
